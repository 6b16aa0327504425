from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from es_rerank.model import IndexInfo, Search
from es_rerank.search.query import CLAUSES, Said, query_text, said
from tests.search.strategies import QUERIES

CASES = yaml.safe_load((Path(__file__).parent.parent / "cases" / "query.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[f"{at}-{case['clause']}" for at, case in enumerate(CASES)])
def test_clauses(case: dict[str, Any]) -> None:
    info = IndexInfo(("docs",), case["kinds"]) if "kinds" in case else None
    assert query_text(said(Search("docs", body={"query": case["query"]}), info)) == case["text"]


def test_every_clause_has_a_case() -> None:
    assert set(CLAUSES) - {case["clause"] for case in CASES} == set()


def test_q_replaces_the_query_of_the_body() -> None:
    search = Search("docs", {"q": "title:hose -old", "df": "body"}, {"query": {"match": {"body": "tap"}}})
    assert said(search, None) == [Said("hose", ("body",))]


def test_a_text_searched_in_many_fields_is_one_text_with_all_of_them() -> None:
    clauses = [{"match": {"title": "Garden  Hose"}}, {"match": {"body": "garden hose"}}, {"match": {"title": " "}}]
    assert said(Search("docs", body={"query": {"dis_max": {"queries": clauses}}}), None) == [
        Said("Garden Hose", ("title", "body"))
    ]


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


def test_queries_deeper_than_any_engine_takes_say_nothing() -> None:
    query: dict[str, Any] = {"match": {"body": "hose"}}
    for _ in range(900):
        query = {"bool": {"must": [query]}}
    assert said(Search("docs", body={"query": query}), None) == []


@given(QUERIES)
def test_no_query_is_an_error(query: Any) -> None:
    for info in (None, IndexInfo(("docs",), {"body": "keyword"})):
        assert all(one.text for one in said(Search("docs", body={"query": query}), info))
