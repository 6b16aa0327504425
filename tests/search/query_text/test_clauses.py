"""The rows of the table have their cases in tests/cases/query.yaml, which test_extract.py runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.query_text.clauses import CLAUSES, alternatives, inside, read_query
from es_rerank.search.query_text.terms import Context
from tests.search.strategies import JSON, MISPLACED, QUERY_CASES, VALID_QUERIES, damaged, reaching

HOSE = {"match": {"body": "hose"}}
CONSTANT = {"constant_score": {"filter": HOSE}}


def words(query: Any, context: Context | None = None) -> list[str]:
    return [text.text for text in read_query(query, context or Context())]


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
def test_a_constant_score_has_a_text_only_where_it_affects_the_ranking(query: Any, expected: list[str]) -> None:
    assert words(query) == expected


def test_a_compound_clause_passes_its_context_on() -> None:
    affects_ranking = Context(affects_ranking=True)
    assert words(CONSTANT, affects_ranking) == ["hose"]
    assert [text.text for text in inside("query")({"query": CONSTANT}, affects_ranking)] == ["hose"]
    assert [text.text for text in alternatives("queries")({"queries": [CONSTANT]}, affects_ranking)] == ["hose"]


def read(query: Any, affects_ranking: bool) -> bool:
    """Read a query under two mappings and return whether it has a text under one of them."""
    texts = []
    for field_type in ("text", "keyword"):
        context = Context({"body": field_type, "title": "text"}, affects_ranking=affects_ranking)
        texts += list(read_query(query, context))
    assert all(isinstance(text.text, str) for text in texts)
    assert all(isinstance(name, str) for text in texts for name in text.fields)
    return any(text.text.strip() for text in texts)


CASES = st.sampled_from([case["query"] for case in QUERY_CASES if "query" in case and case["text"]])


@reaching(0.4, damaged(CASES | VALID_QUERIES, JSON | MISPLACED), st.booleans())
def test_a_query_with_an_invalid_part_is_not_an_error(query: Any, affects_ranking: bool) -> bool:
    return read(query, affects_ranking)


@given(st.sampled_from(sorted(CLAUSES)), MISPLACED, st.booleans())
def test_no_value_of_a_clause_is_an_error(name: str, value: Any, affects_ranking: bool) -> None:
    read({name: value}, affects_ranking)


@reaching(1.0, VALID_QUERIES, st.sampled_from(["filter", "must_not", "mustNot"]))
def test_only_query_context_counts(query: Any, member: str) -> bool:
    expected = words({"bool": {"must": [query]}})
    assert words({"bool": {"must": [query], member: [{"match": {"body": "unsaid"}}, HOSE]}}) == expected
    assert words({"some_plugin": {"query": query, member: HOSE}}) == expected
    return bool(expected)
