from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from es_rerank.model import IndexInfo, Search
from es_rerank.search.clauses import CLAUSES
from es_rerank.search.query import Said, could_say, query_text, said
from es_rerank.search.retrievers import RETRIEVERS
from tests.search.strategies import BODIES

CASES = yaml.safe_load((Path(__file__).parent.parent / "cases" / "query.yaml").read_text(encoding="utf-8"))


def searched(query: Any, **params: str) -> Search:
    return Search("docs", params, {"query": query})


@pytest.mark.parametrize("case", CASES, ids=[f"{at}-{next(iter(case.values()))}" for at, case in enumerate(CASES)])
def test_cases(case: dict[str, Any]) -> None:
    info = IndexInfo(("docs",), case["kinds"]) if "kinds" in case else None
    search = Search("docs", body=case.get("body", {"query": case.get("query")}))
    assert query_text(said(search, info)) == case["text"]


def test_every_row_has_a_case() -> None:
    assert set(CLAUSES) - {case.get("clause") for case in CASES} == set()
    assert set(RETRIEVERS) - {case.get("retriever") for case in CASES} == set()


def test_q_replaces_the_query_of_the_body() -> None:
    search = searched({"match": {"body": "tap"}}, q="title:hose -old", df="body")
    assert said(search, None) == [Said("hose", ("body",))]


def test_q_on_a_field_of_codes_hears_only_what_names_another() -> None:
    info = IndexInfo(("docs",), {"sku": "keyword", "title": "text"})
    assert query_text(said(searched(None, q="AB-12", df="sku"), info)) == ""
    assert query_text(said(searched(None, q="AB-12 title:hose", df="sku"), info)) == "hose"


def test_a_text_searched_in_many_fields_is_one_text_with_all_of_them() -> None:
    clauses = [{"match": {"title": "Garden  Hose"}}, {"match": {"body": "garden hose"}}, {"match": {"title": " "}}]
    assert said(searched({"dis_max": {"queries": clauses}}), None) == [Said("Garden Hose", ("title", "body"))]


def test_of_texts_that_say_the_same_the_one_said_most_often_stands() -> None:
    clauses = [{"match": {"body": text}} for text in ("wet hose", "wet hoses", "Wet hose", "wet hoses")]
    assert said(searched({"dis_max": {"queries": clauses}}), None) == [Said("wet hoses", ("body",))]


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
    assert could_say(searched(query)) is expected


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ([], ""),
        (["garden hose", "hose"], "garden hose"),
        (["hose", "garden hose"], "garden hose"),
        (["hose", "hosepipe"], "hose hosepipe"),
        (["Leaking Hose", "leaking"], "Leaking Hose"),
    ],
)
def test_query_text(heard: list[str], expected: str) -> None:
    assert query_text([Said(text) for text in heard]) == expected


@pytest.mark.parametrize("compound", ["bool", "dis_max", "some_plugin"])
def test_queries_deeper_than_any_engine_takes_say_nothing(compound: str) -> None:
    query: dict[str, Any] = {"match": {"body": "hose"}}
    for _ in range(900):
        query = {compound: {"must": [query], "queries": [query]}}
    assert said(searched(query), None) == []


def test_retrievers_deeper_than_any_engine_takes_say_nothing() -> None:
    retriever: dict[str, Any] = {"standard": {"query": {"match": {"body": "hose"}}}}
    for _ in range(900):
        retriever = {"pinned": {"retriever": retriever}}
    assert said(Search("docs", body={"retriever": retriever}), None) == []


@given(BODIES)
def test_no_body_is_an_error(body: dict[str, Any]) -> None:
    search = Search("docs", body=body)
    for info in (None, IndexInfo(("docs",), {"body": "keyword"}), IndexInfo(("docs",), {"body": "text"})):
        heard = said(search, info)
        assert all(one.text == " ".join(one.text.split()) != "" for one in heard)
        assert bool(query_text(heard)) is bool(heard)
        assert could_say(search) or not heard
