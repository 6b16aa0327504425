from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import PlanningBudget, Search, SearchBody
from tests.search.strategies import JSON

TEXT = b'{ "size" : 5,\n"query": {"term": {"n": 1.50, "id": 123456789012345678901234567890}} }'


def test_a_body_is_decoded_with_the_place_of_each_member() -> None:
    body = SearchBody.parse(TEXT)
    assert body.raw is TEXT
    assert list(body.spans) == list(body.values) == ["size", "query"]
    assert body.values["size"] == 5
    assert body.values["query"]["term"]["n"] == 1.5
    assert body.spans["size"].of(TEXT) == b"5"
    assert TEXT[body.spans["size"].key :].startswith(b'"size"')


def test_members_are_the_bytes_that_the_client_sent() -> None:
    members = {name: bytes(raw) for name, raw in SearchBody.parse(TEXT).members().items()}
    assert members == {"size": b"5", "query": b'{"term": {"n": 1.50, "id": 123456789012345678901234567890}}'}
    written = msgspec.json.encode(SearchBody.parse(TEXT).members())
    assert written == b'{"size":5,"query":{"term": {"n": 1.50, "id": 123456789012345678901234567890}}}'


@pytest.mark.parametrize(
    "raw",
    [b'{"size":1,"size":2}', b'{"size":1,"s\\u0069ze":1}', b"[]", b"null", b"{", b'{"size":1} {}', b'{"a":"\xff"}'],
)
def test_a_repeated_member_or_another_value_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec and es-rerank word it in their own ways
        SearchBody.parse(raw)


def test_a_body_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ValueError, match="nested deeper than 200 levels"):
        SearchBody.parse(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}")


def test_an_empty_body_has_no_members() -> None:
    assert SearchBody.parse(b"") == SearchBody()
    assert (SearchBody().spans, SearchBody().values, SearchBody().members()) == ({}, {}, {})


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_every_object_is_written_again_from_its_members(value: dict[str, object]) -> None:
    raw = msgspec.json.encode(value)
    body = SearchBody.parse(raw)
    assert body.values == msgspec.json.decode(raw)
    assert msgspec.json.encode(body.members()) == raw


def test_searches_with_different_budgets_are_equal() -> None:
    assert Search("docs", budget=PlanningBudget(1, 1)) == Search("docs")
