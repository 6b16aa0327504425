from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from es_rerank.jsonspan import members
from es_rerank.model import IndexInfo, Plan
from es_rerank.search.response.hits import (
    NotASearchResponseError,
    are_from,
    keys,
    lack_source,
    number,
    read,
    read_hits,
    sources,
)
from tests.search.answers import VALUES, Answer, answers
from tests.search.builders import a_plan

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


def test_a_response_is_taken_apart() -> None:
    response = read(PRETTY)
    assert response.max_score
    assert response.max_score.of(PRETTY) == b"1.5"
    assert response.total is None
    assert response.array.of(PRETTY).startswith(b"[\n      {")
    assert keys(response.hits) == (("", "1", ""), ("", "2", ""))
    assert [hit.score for hit in response.hits] == [1.5, None]


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
        b'{"took": 1, "hits": {"hits": []}, "took": 2}',
        b'{"hits": {"hits": [' + b"[" * 5000 + b"]" * 5000 + b"]}}",
    ],
)
def test_a_response_that_cannot_be_rewritten_safely_is_refused(body: bytes) -> None:
    with pytest.raises(NotASearchResponseError):
        read(body)


@pytest.mark.parametrize("hit", [b'{"_score": 1, "_score": 2}', b'{"a": {"x":{}}, "a": 123456}', b'{"\xff": 1}'])
def test_a_hit_with_a_duplicate_or_invalid_key_is_read_but_not_rewritten(hit: bytes) -> None:
    (found,) = read(b'{"hits": {"hits": [%b]}}' % hit).hits
    with pytest.raises(ValueError, match=r"duplicate key|invalid"):
        members(found.raw)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1.0), (0.5, 0.5), (True, None), (None, None), ("1", None), ([], None), (10**400, None)],
)
def test_a_number_is_what_a_float_can_hold(value: object, expected: float | None) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"a":1}', {"a": 1}),
        (b"[1]", {}),
        (b"null", {}),
        (b'"\xff"', {}),
        (b'{"n":1e999}', {}),
    ],
)
@pytest.mark.parametrize("name", ["_source", "fields"])
def test_a_source_that_cannot_be_decoded_is_empty(text: bytes, expected: object, name: str) -> None:
    hits = read_hits(b'[{"%b":%b}]' % (name.encode(), text))
    assert sources(hits) == [(expected, {}) if name == "_source" else ({}, expected)]


def test_sources_and_keys_are_those_of_each_hit() -> None:
    hits = read(
        b'{"hits":{"hits":[{"_index":"a","_id":"1","_source":{"t":"x"}},'
        b'{"_id":"1","fields":{"t":["y"]},"_index":"b"},{"_index":3,"_id":null,"_routing":"r"},{}]}}'
    ).hits
    assert sources(hits) == [({"t": "x"}, {}), ({}, {"t": ["y"]}), ({}, {}), ({}, {})]
    assert keys(hits) == (("a", "1", ""), ("b", "1", ""), ("", "", "r"), ("", "", ""))


@pytest.mark.parametrize(
    ("names", "expected"),
    [(("a", "b", "c"), True), (("a", "b"), True), (("a",), False), (("c",), False), ((), True)],
)
def test_hits_are_from_the_indices_of_a_mapping(names: tuple[str, ...], expected: bool) -> None:
    hits = read_hits(b'[{"_index":"a"},{"_index":"b"},{"_id":"1"}]')
    assert are_from(hits, IndexInfo(names, {})) is expected
    assert are_from(hits, None)
    assert are_from([], IndexInfo(names, {}))


# Valid responses around any value, responses whose hits are any values, and any other text.
ANY_RESPONSES = st.one_of(
    st.builds(
        lambda score, value: f'{{"took":1,"hits":{{"hits":[{{"_score":{score},"_source":{value}}}]}}}}'.encode(),
        VALUES | st.integers().map(str),
        VALUES,
    ),
    VALUES.map(lambda value: f'{{"hits":{{"hits":[{value}]}}}}'.encode()),
    VALUES.map(str.encode),
    st.binary(),
)


def test_any_bytes_are_a_response_or_refused() -> None:
    scores: list[float | None] = []
    refused: list[bytes] = []

    @given(ANY_RESPONSES)
    @example(b'{"hits":{"hits":[{"_score":1' + b"0" * 400 + b"}]}}")
    def check(body: bytes) -> None:
        try:
            response = read(body)
        except NotASearchResponseError:
            refused.append(body)
            return
        assert len(sources(response.hits)) == len(keys(response.hits)) == len(response.hits)
        assert all(hit.score is None or isinstance(hit.score, float) for hit in response.hits)
        scores.extend(hit.score for hit in response.hits)

    check()
    assert refused
    assert None in scores
    assert any(score is not None for score in scores)


def test_a_score_that_no_float_can_hold_is_none() -> None:
    assert [hit.score for hit in read(b'{"hits":{"hits":[{"_score":1' + b"0" * 400 + b"}]}}").hits] == [None]


@given(answers())
def test_every_response_is_taken_apart_byte_for_byte(answer: Answer) -> None:
    response = read(answer.text)
    assert tuple(hit.raw for hit in response.hits) == answer.hits
    assert tuple(hit.score for hit in response.hits) == answer.scores


def test_a_damaged_response_is_read_or_refused() -> None:
    read_anyway: list[int] = []

    @given(answers(), st.data())
    def check(answer: Answer, data: st.DataObject) -> None:
        position = data.draw(st.integers(0, len(answer.text) - 1))
        damaged = answer.text[:position] + data.draw(st.binary(max_size=2)) + answer.text[position + 1 :]
        try:
            scores = [hit.score for hit in read(damaged).hits]
        except NotASearchResponseError:
            return
        read_anyway.append(len(scores))
        assert len(scores) <= len(answer.hits) + 1

    check()
    assert read_anyway


@pytest.mark.parametrize(
    ("hits", "plan", "expected"),
    [
        (b'[{"_id":"1"},{"_id":"2","fields":{}}]', a_plan(), True),
        (b'[{"_id":"1"},{"_id":"2","_source":{}}]', a_plan(), False),
        (b'[{"_id":"1","_source":{}}]', a_plan(), False),
        # The engine was not asked for the whole source.
        (b'[{"_id":"1"}]', a_plan(extra_fields=("title",)), False),
        (b'[{"_id":"1"}]', a_plan(without_stored_fields=True), False),
        (b'[{"_source":{}}]', a_plan(without_stored_fields=True), False),
    ],
)
def test_hits_without_the_source_that_was_asked_for(hits: bytes, plan: Plan, expected: bool) -> None:
    assert lack_source(read_hits(hits), plan) is expected


def test_a_hit_with_a_value_that_cannot_be_decoded_has_the_others() -> None:
    (hit,) = read_hits(
        b'[{"_index":"a","_id":"1","_routing":"r","_score":1.5,"_source":{"n":1e999},"fields":{"f":[1]}}]'
    )
    values = hit.values
    found = (values.index, values.id, values.routing, values.score, values.source, values.fields)
    assert found == ("a", "1", "r", 1.5, None, {"f": [1]})
