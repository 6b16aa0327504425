from __future__ import annotations

import pytest

from es_rerank.jsonspan import members, splice
from es_rerank.search.response.extra_fields import without_fields


def left(hit: str, *names: str) -> str:
    """Return a hit without some of its fields."""
    text = hit.encode()
    return splice(text, without_fields(text, members(text), names)).decode()


@pytest.mark.parametrize(
    ("hit", "expected"),
    [
        ('{"fields":{"secret":["x"]},"_id":"1"}', '{"_id":"1"}'),
        ('{"_id":"1","fields":{"secret":["x"]}}', '{"_id":"1"}'),
        ('{"_id":"1","fields":{"pk":[1],"secret":["x"]}}', '{"_id":"1","fields":{"pk":[1]}}'),
        ('{"_id":"1","fields":{"pk":[1]}}', '{"_id":"1","fields":{"pk":[1]}}'),
        ('{"_id":"1","fields":{}}', '{"_id":"1","fields":{}}'),
        ('{"_id":"1","secret":["x"]}', '{"_id":"1","secret":["x"]}'),
    ],
)
def test_fields_are_removed_wherever_they_are(hit: str, expected: str) -> None:
    assert left(hit, "secret") == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ('{"comments":[{"text":["x"]}]}', None),
        ('{"comments":[{"text":["x"]},{"text":["y"]}]}', None),
        ('{"comments":[{"text":["x"]}],"pk":["1"]}', '{"pk":["1"]}'),
        ('{"pk":[1.50],"comments":[{"text":["x"]}]}', '{"pk":[1.50]}'),
        ('{"comments":[{"by":["a"],"text":["x"]}]}', '{"comments":[{"by":["a"]}]}'),
        ('{"comments":[{"text":["x"],"by":["a"]},{"text":["y"]}]}', '{"comments":[{"by":["a"]}]}'),
        ('{"comments":[{"text":["x"]},{"by":[ 1.50 ]},{}]}', '{"comments":[{"by":[ 1.50 ]},{}]}'),
        ('{"comments":[{"replies":[{"text":["z"]}]}]}', None),
        (
            '{"comments":[{"replies":[{"text":["z"],"n":[2]}],"text":["x"]}]}',
            '{"comments":[{"replies":[{"n":[2]}]}]}',
        ),
        ('{"comments.text":["x"]}', None),
        ('{"comments.text":["x"],"comments.text.en":["x"]}', '{"comments.text.en":["x"]}'),
        # Anything but an array of objects is not what the engine writes for a nested field.
        ('{"comments":["text"]}', '{"comments":["text"]}'),
        ('{"comments":"text"}', '{"comments":"text"}'),
        ('{"comments":[[{"text":["x"]}]]}', '{"comments":[[{"text":["x"]}]]}'),
        ('{"comments":[{"text":["x"],"text":["y"]}]}', '{"comments":[{"text":["x"],"text":["y"]}]}'),
        ('{"commentsother":[{"text":["x"]}]}', '{"commentsother":[{"text":["x"]}]}'),
        ('{"comments":[{"by" : ["a"]} , {"by":["b"]}]}', '{"comments":[{"by" : ["a"]} , {"by":["b"]}]}'),
    ],
)
def test_extra_fields_of_nested_documents_are_removed(fields: str, expected: str | None) -> None:
    """Elasticsearch returns `comments.text` as `{"comments": [{"text": [...]}]}`."""
    rest = f'"fields":{expected},' if expected else ""
    hit = f'{{"_id":"1","fields":{fields},"_score":9.0}}'
    assert left(hit, "comments.text", "comments.replies.text") == f'{{"_id":"1",{rest}"_score":9.0}}'
