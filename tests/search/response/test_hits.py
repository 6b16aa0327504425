from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from es_rerank.jsonspan import Span
from es_rerank.search.response.hits import Hit, NotASearchResponseError, number, read
from tests.search.answers import VALUES, Answer, answers

PRETTY = b"""{
  "took" : 3,
  "hits" : {
    "max_score" : 1.5,
    "hits" : [
      { "_id" : "1", "_score" : 1.5 },
      { "_id" : "2", "_score" : null }
    ]
  }
}
"""


def test_the_pieces_of_an_answer() -> None:
    envelope = read(PRETTY)
    assert envelope.max_score
    assert envelope.max_score.of(PRETTY) == b"1.5"
    assert envelope.array.of(PRETTY).startswith(b"[\n      {")
    assert [hit.decoded("_id") for hit in envelope.hits] == ["1", "2"]
    assert [hit.score for hit in envelope.hits] == [1.5, None]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"hits": []}',
        b'{"hits": {"hits": {}}}',
        b'{"hits": {"hits": [1]}}',
        b'{"hits": {"hits": [{}]}',
        b'{"hits": {"hits": []}, "hits": {"hits": []}}',
        b'{"hits": {"hits": [], "hits": [ ]}}',
        b'{"hits": {"hits": [{"_score": 1, "_score": 2}]}}',
        b'{"hits": {"hits": [{"a": {"x":{}}, "a": 123456}]}}',
        b'{"took": 1, "hits": {"hits": []}, "took": 2}',
        b'{"hits": {"hits": [{"\xff": 1}]}}',
        b'{"hits": {"hits": [' + b"[" * 5000 + b"]" * 5000 + b"]}}",
    ],
)
def test_what_cannot_be_rewritten_safely_is_refused(body: bytes) -> None:
    with pytest.raises(NotASearchResponseError):
        read(body)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1.0), (0.5, 0.5), (True, None), (None, None), ("1", None), ([], None), (10**400, None)],
)
def test_number(value: object, expected: float | None) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(("text", "expected"), [(b"[1]", [1]), (b'"\xff"', None), (b"[" * 3000 + b"]" * 3000, None)])
def test_a_member_that_cannot_be_decoded_is_none(text: bytes, expected: object) -> None:
    hit = Hit(text, {"x": Span(0, len(text), 0)})
    assert hit.decoded("x") == expected
    assert hit.decoded("y") is None
    assert hit.object("x") == {}


@given(st.binary() | VALUES.map(str.encode))
@example(b'{"hits":{"hits":[{"_score":1' + b"0" * 400 + b"}]}}")
def test_no_bytes_are_another_error(body: bytes) -> None:
    try:
        scores = [hit.score for hit in read(body).hits]
    except NotASearchResponseError:
        return
    assert all(score is None for score in scores)


@given(answers())
def test_every_answer_is_taken_apart_byte_for_byte(answer: Answer) -> None:
    envelope = read(answer.text)
    assert tuple(hit.raw for hit in envelope.hits) == answer.hits
    assert tuple(hit.score for hit in envelope.hits) == answer.scores


@given(answers(), st.data())
def test_an_answer_that_was_damaged_is_no_crash(answer: Answer, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(answer.text) - 1))
    damaged = answer.text[:at] + data.draw(st.binary(max_size=2)) + answer.text[at + 1 :]
    try:
        scores = [hit.score for hit in read(damaged).hits]
    except NotASearchResponseError:
        return
    assert len(scores) <= len(answer.hits) + 1
