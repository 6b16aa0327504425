from __future__ import annotations

from pathlib import Path

import pytest

from es_rerank.evaluation.source import InputError
from es_rerank.evaluation.template import read_template
from es_rerank.evaluation.values import Query

QUOTES = Query("1", 'say "hi" \\ {{x}}', {"lang": "fr"})


def test_the_default_searches_all_fields() -> None:
    body = read_template(None).search(QUOTES, 50)
    assert body == {"query": {"multi_match": {"query": QUOTES.text}}, "from": 0, "size": 50}


def test_placeholders_are_replaced_in_every_string_and_the_rest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(
        '{"size": 3, "from": 9, "query": {"bool": {"must": [{"match": {"t": "{{ query }}"}}],'
        ' "filter": {"term": {"l": "x-{{lang}}"}}, "boost": 1.5}}, "explain": null}'
    )
    assert read_template(path).search(QUOTES, 20) == {
        "size": 20,
        "from": 0,
        "query": {"bool": {"must": [{"match": {"t": QUOTES.text}}], "filter": {"term": {"l": "x-fr"}}, "boost": 1.5}},
        "explain": None,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"query":\n {', "t.json:2: not valid JSON"),
        ("[1]", "t.json:1: must be a JSON object"),
        ('{"query": {"match": {"t": "query"}}}', "t.json: no string has the placeholder {{query}}"),
    ],
)
def test_a_template_that_cannot_be_used_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InputError) as error:
        read_template(tmp_path / "t.json")
    assert message in str(error.value)


def test_a_query_without_a_field_of_the_template_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"q": "{{query}} {{shop}}"}')
    with pytest.raises(InputError, match=r"t\.json: \{\{shop\}\}: the query '1' has no such field"):
        read_template(tmp_path / "t.json").search(QUOTES, 10)
