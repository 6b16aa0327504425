"""The rows of the table have their cases in tests/cases/query.yaml, which test_extract.py runs."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.query_text.clauses import CLAUSES, alternatives, inside, read_query
from es_rerank.search.query_text.terms import Context, QueryText
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


RANDOM = {"random_score": {"seed": 7}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, ["hose"]),
        ({"functions": [{"weight": 2}, {"field_value_factor": {"field": "likes"}}]}, ["hose"]),
        # A random score is an order by chance, in each of the places and spellings of the function.
        (RANDOM, []),
        ({"randomScore": {}}, []),
        ({"functions": [{"weight": 2}, RANDOM]}, []),
        ({"functions": RANDOM}, []),
        ({"random_score": None}, ["hose"]),
        # If it is added with a weight of at most 0.1, it only decides between hits of similar scores.
        ({"functions": [{**RANDOM, "weight": 0.1}], "boost_mode": "sum"}, ["hose"]),
        ({"functions": [{**RANDOM, "weight": 0}], "boost_mode": "sum"}, ["hose"]),
        ({"functions": [{**RANDOM, "weight": 0.11}], "boost_mode": "sum"}, []),
        ({"functions": [{**RANDOM, "weight": 1}], "boost_mode": "sum"}, []),
        ({"functions": [RANDOM], "boost_mode": "sum"}, []),
        ({"functions": [{**RANDOM, "weight": "0.1"}], "boost_mode": "sum"}, []),
        ({"functions": [{**RANDOM, "weight": 0.1}], "boost_mode": "multiply"}, []),
        ({"functions": [{**RANDOM, "weight": 0.1}]}, []),
        ({"functions": [{**RANDOM, "weight": 0.1}, RANDOM], "boost_mode": "sum"}, []),
    ],
)
def test_hits_in_a_random_order_have_no_text(value: dict[str, Any], expected: list[str]) -> None:
    assert words({"function_score": {"query": HOSE, **value}}) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ({"source": "_score * doc['likes'].value"}, ["hose"]),
        ("_score", ["hose"]),
        (None, ["hose"]),
        ({"source": "randomScore(7, '_seq_no')"}, []),
        ("randomScore(7)", []),
        ({"id": "stored", "params": {"name": "randomScore"}}, []),
        ({"source": "_score", "params": {"name": "randomScore"}}, ["hose"]),
    ],
)
def test_a_script_with_a_random_score_has_no_text(script: Any, expected: list[str]) -> None:
    assert words({"script_score": {"query": HOSE, "script": script}}) == expected


def encoded(value: Any) -> str:
    return b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"query": encoded(HOSE)}, ["hose"]),
        # Base64 of 24,576 bytes has 32,768 characters.
        ({"query": encoded(json.dumps(HOSE).encode().ljust(24_576))}, ["hose"]),
        ({"query": encoded(json.dumps(HOSE).encode().ljust(24_577))}, []),
        ({"query": encoded({"wrapper": {"query": encoded(HOSE)}})}, []),
        ({"query": encoded({"bool": {"must": [HOSE, {"wrapper": {"query": encoded(HOSE)}}]}})}, ["hose"]),
        ({"query": encoded(b"no JSON")}, []),
        ({"query": "a"}, []),
        ({"query": 3}, []),
        ({}, []),
    ],
)
def test_one_wrapped_query_is_read(value: Any, expected: list[str]) -> None:
    assert words({"wrapper": value}) == expected
    assert words([{"wrapper": value}, {"wrapper": value}]) == expected * 2


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"match": {"body": {"query": "hose", "operator": "and"}}}, [QueryText("hose", ("body",))]),
        ({"multi_match": {"query": "hose", "fields": ["body^2", "title"]}}, [QueryText("hose", ("body", "title"))]),
        ({"fuzzy": {"body": {"value": "hose"}}}, [QueryText("hose", ("body",))]),
        ({"term": {"body": {"value": "hose"}}}, [QueryText("hose", ("body",), term_level=True)]),
        ({"term": {"body": {"term": "hose"}}}, [QueryText("hose", ("body",), term_level=True)]),
        ({"terms_set": {"body": {"terms": ["hose"]}}}, [QueryText("hose", ("body",), term_level=True)]),
        ({"wildcard": {"body": {"wildcard": "ho*se"}}}, [QueryText("ho se", ("body",), term_level=True)]),
        ({"prefix": {"body": {"prefix": "ho"}}}, [QueryText("ho", ("body",), term_level=True)]),
        ({"span_term": {"body": {"term": "hose"}}}, [QueryText("hose", ("body",))]),
        ({"span_multi": {"match": {"prefix": {"body": {"value": "ho"}}}}}, [QueryText("ho", ("body",))]),
        ({"span_near": {"clauses": [{"span_term": {"body": "hose"}}]}}, [QueryText("hose", ("body",))]),
        ({"span_first": {"match": {"span_term": {"body": "hose"}}}}, [QueryText("hose", ("body",))]),
        ({"span_not": {"include": {"span_term": {"body": "hose"}}, "exclude": HOSE}}, [QueryText("hose", ("body",))]),
        ({"boosting": {"positive": HOSE, "negative": HOSE}}, [QueryText("hose", ("body",))]),
        ({"pinned": {"ids": ["1"], "organic": HOSE}}, [QueryText("hose", ("body",))]),
        ({"nested": {"path": "c", "query": HOSE}}, [QueryText("hose", ("body",))]),
        ({"neural": {"vector": {"query_text": "hose"}}}, [QueryText("hose")]),
        ({"intervals": {"body": {"match": {"query": "hose"}}}}, [QueryText("hose", ("body",))]),
        ({"range": {"body": {"gte": "hose"}}}, []),
    ],
)
def test_the_texts_and_fields_of_clauses(query: Any, expected: list[QueryText]) -> None:
    context = Context({"body": "text", "title": "text"})
    assert list(read_query(query, context)) == expected
