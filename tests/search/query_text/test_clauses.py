"""What the table's rows say stands in tests/cases/query.yaml, which tests/search/query_text/test_extract.py runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.query_text.clauses import CLAUSES, alternatives, inside, read_query
from es_rerank.search.query_text.terms import Context
from tests.search.strategies import QUERIES

HOSE = {"match": {"body": "hose"}}
CONSTANT = {"constant_score": {"filter": HOSE}}


def words(query: Any, context: Context = Context()) -> list[str]:  # noqa: B008 - a frozen value
    return [one.text for one in read_query(query, context)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (HOSE, ["hose"]),
        ([HOSE, {"matchPhrase": {"body": "tap"}}], ["hose", "tap"]),
        ({"someQuery": {"anyOther": [HOSE], "mustNot": HOSE, "filter": HOSE, "weight": 3}}, ["hose"]),
        ({**HOSE, "_name": "q", "boost": 2}, ["hose"]),
        (None, []),
        ("hose", []),
    ],
)
def test_read_query(query: Any, expected: list[str]) -> None:
    assert words(query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (CONSTANT, []),
        ({"bool": {"should": CONSTANT}}, []),
        ({"bool": {"must": [CONSTANT, CONSTANT]}}, []),
        ({"bool": {"should": [CONSTANT, CONSTANT]}}, ["hose", "hose"]),
        ({"bool": {"must": {"exists": {"field": "a"}}, "should": CONSTANT}}, ["hose"]),
        ({"dis_max": {"queries": [CONSTANT, {"boosting": {"positive": CONSTANT}}]}}, ["hose", "hose"]),
        ({"hybrid": {"queries": [CONSTANT]}}, []),
        ({"function_score": {"query": CONSTANT, "functions": [{"weight": 2}, {"weight": 3}]}}, []),
    ],
)
def test_a_constant_score_speaks_only_as_one_of_several(query: Any, expected: list[str]) -> None:
    assert words(query) == expected


def test_a_compound_keeps_the_context_of_those_around_it() -> None:
    affects_ranking = Context(affects_ranking=True)
    assert words(CONSTANT, affects_ranking) == ["hose"]
    assert [one.text for one in inside("query")({"query": CONSTANT}, affects_ranking)] == ["hose"]
    assert [one.text for one in alternatives("queries")({"queries": [CONSTANT]}, affects_ranking)] == ["hose"]


@given(st.sampled_from(sorted(CLAUSES)), QUERIES, st.booleans())
def test_no_clause_is_an_error(name: str, value: Any, affects_ranking: bool) -> None:
    for kind in ("text", "keyword"):
        found = list(CLAUSES[name](value, Context({"body": kind}, affects_ranking=affects_ranking)))
        assert all(isinstance(one.text, str) for one in found)
