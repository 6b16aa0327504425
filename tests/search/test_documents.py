from __future__ import annotations

from typing import Any

import pytest

from es_rerank.model import HitKey
from es_rerank.search.documents import documents_query

UNROUTED = {"bool": {"must_not": [{"exists": {"field": "_routing"}}]}}


def documents(index: str, *ids: str) -> list[dict[str, Any]]:
    return [{"term": {"_index": index}}, {"ids": {"values": list(ids)}}]


def in_index(index: str, *ids: str) -> dict[str, Any]:
    return {"bool": {"filter": documents(index, *ids), **UNROUTED["bool"]}}


def routed(index: str, routing: str, *ids: str) -> dict[str, Any]:
    return {"bool": {"filter": [*documents(index, *ids), {"term": {"_routing": routing}}]}}


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ([HitKey("a", "1")], in_index("a", "1")),
        ([HitKey("a", "2"), HitKey("a", "1")], in_index("a", "2", "1")),
        ([HitKey("a", "1", "x"), HitKey("a", "2", "x")], routed("a", "x", "1", "2")),
        (
            [HitKey("a", "1"), HitKey("b", "1"), HitKey("a", "2"), HitKey("a", "1", "x")],
            {"bool": {"should": [in_index("a", "1", "2"), in_index("b", "1"), routed("a", "x", "1")]}},
        ),
    ],
)
def test_each_id_is_matched_together_with_its_index_and_routing(hits: list[HitKey], expected: dict[str, Any]) -> None:
    assert documents_query(hits) == expected


def test_very_many_routings_are_matched_with_few_clauses() -> None:
    numbers = [str(number) for number in range(300)]
    everywhere = [HitKey("a", "1"), *(HitKey("a", number, f"r{number}") for number in numbers), HitKey("b", "7", "x")]
    values = {"terms": {"_routing": [f"r{number}" for number in numbers]}}
    first, second = sorted(documents_query(everywhere)["bool"]["should"], key=str)
    ids = ["1", *(number for number in numbers if number != "1")]
    assert first["bool"]["filter"] == [*documents("a", *ids), {"bool": {"should": [values, UNROUTED]}}]
    assert second["bool"]["filter"] == [*documents("b", "7"), {"terms": {"_routing": ["x"]}}]


@pytest.mark.parametrize(("count", "clauses"), [(200, 200), (201, 2)])
def test_up_to_200_combinations_of_index_and_routing_have_a_clause_each(count: int, clauses: int) -> None:
    hits = [HitKey("a" if number else "b", "1", f"r{number}") for number in range(count)]
    assert len(documents_query(hits)["bool"]["should"]) == clauses


def test_many_routings_of_one_index_are_one_clause() -> None:
    hits = [HitKey("a", "1", f"r{number}") for number in range(201)]
    routings = {"terms": {"_routing": [hit.routing for hit in hits]}}
    assert documents_query(hits) == {"bool": {"filter": [*documents("a", "1"), routings]}}


def test_no_documents_match_nothing() -> None:
    assert documents_query([]) == {"match_none": {}}
