from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from es_rerank.model import IndexInfo, Search
from es_rerank.search.query_text.clauses import CLAUSES
from es_rerank.search.query_text.extract import may_have_text, query_text, typed_texts
from es_rerank.search.query_text.retrievers import RETRIEVERS
from es_rerank.search.query_text.terms import QueryText
from tests.search.strategies import BODIES

CASES = yaml.safe_load((Path(__file__).parent.parent.parent / "cases" / "query.yaml").read_text(encoding="utf-8"))


def searched(query: Any, **params: str) -> Search:
    return Search("docs", params, {"query": query})


@pytest.mark.parametrize("case", CASES, ids=[f"{at}-{next(iter(case.values()))}" for at, case in enumerate(CASES)])
def test_cases(case: dict[str, Any]) -> None:
    info = IndexInfo(("docs",), case["field_types"]) if "field_types" in case else None
    search = Search("docs", body=case.get("body", {"query": case.get("query")}))
    assert query_text(typed_texts(search, info)) == case["text"]


def test_every_row_has_a_case() -> None:
    assert set(CLAUSES) - {case.get("clause") for case in CASES} == set()
    assert set(RETRIEVERS) - {case.get("retriever") for case in CASES} == set()


def test_q_replaces_the_query_of_the_body() -> None:
    search = searched({"match": {"body": "tap"}}, q="title:hose -old", df="body")
    assert typed_texts(search, None) == [QueryText("hose", ("body",))]


def test_q_on_a_field_of_codes_hears_only_what_names_another() -> None:
    info = IndexInfo(("docs",), {"sku": "keyword", "title": "text"})
    assert query_text(typed_texts(searched(None, q="AB-12", df="sku"), info)) == ""
    assert query_text(typed_texts(searched(None, q="AB-12 title:hose", df="sku"), info)) == "hose"


def test_a_text_searched_in_many_fields_is_one_text_with_all_of_them() -> None:
    clauses = [{"match": {"title": "Garden  Hose"}}, {"match": {"body": "garden hose"}}, {"match": {"title": " "}}]
    assert typed_texts(searched({"dis_max": {"queries": clauses}}), None) == [
        QueryText("Garden Hose", ("title", "body"))
    ]


def test_of_texts_that_say_the_same_the_one_said_most_often_stands() -> None:
    clauses = [{"match": {"body": text}} for text in ("wet hose", "wet hoses", "Wet hose", "wet hoses")]
    assert typed_texts(searched({"dis_max": {"queries": clauses}}), None) == [QueryText("wet hoses", ("body",))]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"term": {"body": "hose"}}, True),
        ({"bool": {"must": [{"wildcard": {"body": "*hose*"}}]}}, True),
        ({"term": {"body.keyword": "hose"}}, False),
        ({"bool": {"filter": [{"match": {"body": "hose"}}, {"term": {"body": "hose"}}]}}, False),
        ({"match": {"body": " "}}, False),
        ({"match_all": {}}, False),
    ],
)
def test_some_searches_say_nothing_whatever_the_mapping(query: Any, expected: bool) -> None:
    assert may_have_text(searched(query)) is expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], ""),
        (["garden hose", "hose"], "garden hose"),
        (["hose", "garden hose"], "garden hose"),
        (["hose", "hosepipe"], "hose hosepipe"),
        (["Leaking Hose", "leaking"], "Leaking Hose"),
    ],
)
def test_query_text(texts: list[str], expected: str) -> None:
    assert query_text([QueryText(text) for text in texts]) == expected


@pytest.mark.parametrize("compound", ["bool", "dis_max", "some_plugin"])
def test_queries_deeper_than_any_engine_takes_say_nothing(compound: str) -> None:
    query: dict[str, Any] = {"match": {"body": "hose"}}
    for _ in range(900):
        query = {compound: {"must": [query], "queries": [query]}}
    assert typed_texts(searched(query), None) == []


def test_retrievers_deeper_than_any_engine_takes_say_nothing() -> None:
    retriever: dict[str, Any] = {"standard": {"query": {"match": {"body": "hose"}}}}
    for _ in range(900):
        retriever = {"pinned": {"retriever": retriever}}
    assert typed_texts(Search("docs", body={"retriever": retriever}), None) == []


@given(BODIES)
def test_no_body_is_an_error(body: dict[str, Any]) -> None:
    search = Search("docs", body=body)
    for info in (None, IndexInfo(("docs",), {"body": "keyword"}), IndexInfo(("docs",), {"body": "text"})):
        texts = typed_texts(search, info)
        assert all(one.text == " ".join(one.text.split()) != "" for one in texts)
        assert bool(query_text(texts)) is bool(texts)
        assert may_have_text(search) or not texts


def test_no_more_clauses_are_read_than_an_engine_takes() -> None:
    many = [{"match": {"body": f"hose {at}"}} for at in range(2000)]
    found = typed_texts(searched({"bool": {"should": many}}), None)
    assert [one.text for one in found] == [f"hose {at}" for at in range(1024)]


@pytest.mark.parametrize("clause", ["match", "query_string", "simple_query_string", "kql"])
def test_no_text_is_longer_than_a_person_types(clause: str) -> None:
    long = "hose " * 10_000
    value = {"body": long} if clause == "match" else {"query": long}
    (one,) = typed_texts(searched({clause: value}), None)
    assert one.text == ("hose " * 4000).strip()


@pytest.mark.parametrize("clause", ["query_string", "kql"])
@pytest.mark.parametrize(("size", "text"), [(20_000, "hose"), (20_001, "hose tap")])
def test_in_a_large_search_query_languages_are_stripped_instead_of_parsed(clause: str, size: int, text: str) -> None:
    body = {"query": {clause: {"query": "hose AND NOT (tap)"}}}
    found = typed_texts(Search("docs", body=body, raw=b" " * size), None)
    assert query_text(found) == text
