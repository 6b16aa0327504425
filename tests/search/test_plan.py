from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import IndexInfo, Plan, Rule, Search, Skip, Why
from es_rerank.search.plan import CHECKS, early, make, page
from tests.search.strategies import JSON

RULE = Rule("docs", window=50)
INFO = IndexInfo(("docs",), {"title": "text", "body": "text", "tag": "keyword"})
HOSE = {"match": {"body": "hose"}}


def search(params: dict[str, str] | None = None, **body: Any) -> Search:
    return Search("docs", params or {}, {"query": HOSE, **body})


@pytest.mark.parametrize(
    ("start", "size", "fetched", "window"),
    [
        (0, 10, (0, 50), 50),
        (40, 10, (0, 50), 50),
        (49, 1, (0, 50), 50),
        (40, 20, (0, 60), 50),
        (0, 200, (0, 200), 50),
        (50, 10, (50, 10), 0),
        (1000, 7, (1000, 7), 0),
    ],
)
def test_the_page_and_what_is_fetched_for_it(start: int, size: int, fetched: tuple[int, int], window: int) -> None:
    plan = make(search(**{"from": start, "size": size}), RULE, INFO)
    assert isinstance(plan, Plan)
    assert (plan.start, plan.size, (plan.fetch_from, plan.fetch_size), plan.window) == (start, size, fetched, window)


def test_a_plan_knows_text_fields_and_rule() -> None:
    plan = make(search(_source=False), RULE, INFO)
    assert isinstance(plan, Plan)
    assert (plan.text, plan.passage_fields, plan.rule) == ("hose", ("body", "title"), RULE)
    assert plan.extra_fields == ("body", "title")


@pytest.mark.parametrize(
    ("query", "kinds", "why"),
    [
        ({"match": {"tag": "diy"}}, INFO.kinds, Why.NO_QUERY_TEXT),
        ({"match": {"x": "diy"}}, {"tag": "keyword"}, Why.NO_TEXT_FIELDS),
        ({"match": {"x": "diy"}}, {}, Why.NO_TEXT_FIELDS),
    ],
)
def test_what_the_mapping_rules_out(query: Any, kinds: dict[str, str], why: Why) -> None:
    assert make(Search("docs", body={"query": query}), RULE, replace(INFO, kinds=kinds)) == Skip(why)


@pytest.mark.parametrize(
    ("params", "body", "expected"),
    [
        ({}, {}, (0, 10)),
        ({}, {"from": 5, "size": 3}, (5, 3)),
        ({"from": "7"}, {"from": 5, "size": 3}, (7, 3)),
        ({"size": "0"}, {"size": 3}, (0, 0)),
        ({}, {"from": None, "size": None}, (0, 10)),
        ({}, {"from": "5", "size": "3"}, (5, 3)),
    ],
)
def test_page(params: dict[str, str], body: dict[str, Any], expected: tuple[int, int]) -> None:
    assert page(Search("docs", params, body)) == expected


@pytest.mark.parametrize(
    ("params", "body", "why"),
    [
        ({"scroll": "1m"}, {}, Why.SCROLL),
        ({}, {"search_after": [1]}, Why.SEARCH_AFTER),
        ({}, {"slice": {"id": 0}}, Why.SLICE),
        ({}, {"pit": {"id": "x"}}, Why.POINT_IN_TIME),
        ({"from": "x"}, {}, Why.UNREADABLE),
        ({}, {"size": [1]}, Why.UNREADABLE),
        ({}, {"size": -1}, Why.UNREADABLE),
        ({}, {"size": 1e300}, None),
        ({"sort": "date"}, {}, Why.SORT),
        ({"sort": "_score:asc"}, {}, Why.SORT),
        ({"sort": "_score,date"}, {}, None),
        ({"sort": ""}, {"sort": "date"}, None),
        ({}, {"sort": "date"}, Why.SORT),
        ({}, {"sort": "_score"}, None),
        ({}, {"sort": {"_score": {"order": "desc"}}}, None),
        ({}, {"sort": {"_score": "desc"}}, None),
        ({}, {"sort": {"_score": {}}}, None),
        ({}, {"sort": [{"_score": "asc"}]}, Why.SORT),
        ({}, {"sort": [{"_geo_distance": {}}]}, Why.SORT),
        ({}, {"sort": [["_score"]]}, Why.SORT),
        ({}, {"sort": 3}, Why.SORT),
        ({}, {"sort": None}, None),
        ({"size": "0"}, {}, Why.SIZE_ZERO),
        ({}, {"profile": False}, None),
        ({"filter_path": "-hits"}, {}, Why.FILTER_PATH),
        ({}, {"stored_fields": ["_none_"]}, Why.STORED_FIELDS),
        ({"stored_fields": "_none_"}, {}, Why.STORED_FIELDS),
        ({}, {"query": {"match_all": {}}}, Why.NO_QUERY_TEXT),
        ({}, {"query": None}, Why.NO_QUERY_TEXT),
    ],
)
def test_what_a_request_rules_out_itself(params: dict[str, str], body: dict[str, Any], why: Why | None) -> None:
    assert early(search(params, **body)) == (why and Skip(why))


@given(
    st.dictionaries(st.sampled_from(["from", "size", "sort", "scroll", "stored_fields", "filter_path"]), st.text()),
    st.dictionaries(st.sampled_from(["from", "size", "sort", "pit", "query", "profile", "fields", "_source"]), JSON),
)
def test_no_request_is_an_error(params: dict[str, str], body: dict[str, Any]) -> None:
    asked = Search("docs", params, body)
    ruled_out = early(asked)
    if ruled_out:
        assert ruled_out.why in {why for why, _ in CHECKS}
    else:
        make(asked, RULE, INFO)
        make(Search("docs", params, {**body, "query": HOSE}), RULE, INFO)
