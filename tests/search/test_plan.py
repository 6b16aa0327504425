from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import IndexInfo, Plan, RerankRequest, Rule, Search, Skip, Why
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
    plan = make(search(_source=False), RULE, INFO, two_phase=False)
    assert isinstance(plan, Plan)
    assert (plan.text, plan.passage_fields, plan.rule) == ("hose", ("body", "title"), RULE)
    assert plan.extra_fields == ("body", "title")


@pytest.mark.parametrize(
    ("query", "field_types", "why"),
    [
        ({"match": {"tag": "diy"}}, INFO.field_types, Why.NO_QUERY_TEXT),
        ({"match": {"x": "diy"}}, {"tag": "keyword"}, Why.NO_TEXT_FIELDS),
        ({"match": {"x": "diy"}}, {}, Why.NO_TEXT_FIELDS),
    ],
)
def test_what_the_mapping_rules_out(query: Any, field_types: dict[str, str], why: Why) -> None:
    assert make(Search("docs", body={"query": query}), RULE, replace(INFO, field_types=field_types)) == Skip(why)


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
        ({}, {"pit": {"id": "x"}}, None),
        ({}, {"pit": {"id": "x"}, "sort": ["_score"]}, Why.POINT_IN_TIME),
        ({"sort": "_score"}, {"pit": {"id": "x"}}, Why.POINT_IN_TIME),
        ({"from": "x"}, {}, Why.UNREADABLE),
        ({}, {"size": [1]}, Why.UNREADABLE),
        ({}, {"size": -1}, Why.UNREADABLE),
        ({}, {"fields": "title"}, Why.UNREADABLE),
        ({}, {"fields": None}, Why.UNREADABLE),
        ({}, {"size": 1e300}, Why.UNREADABLE),
        ({}, {"from": 2**31}, Why.UNREADABLE),
        ({"size": str(2**64)}, {}, Why.UNREADABLE),
        ({}, {"from": 2**31 - 1}, None),
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
        ({"filter_path": "-hits"}, {}, None),
        ({}, {"stored_fields": ["_none_"]}, None),
        ({}, {"stored_fields": ["_none_"], "highlight": {"fields": {"a": {}}}}, Why.STORED_FIELDS),
        ({"stored_fields": "_none_"}, {"highlight": {"fields": {"a": {}}}}, Why.STORED_FIELDS),
        ({"_source": "true"}, {"stored_fields": "_none_"}, Why.STORED_FIELDS),
        ({}, {"stored_fields": "_none_", "fields": ["a"]}, Why.STORED_FIELDS),
        ({}, {"query": {"match_all": {}}}, Why.NO_QUERY_TEXT),
        ({}, {"query": None}, Why.NO_QUERY_TEXT),
    ],
)
def test_what_a_request_rules_out_itself(params: dict[str, str], body: dict[str, Any], why: Why | None) -> None:
    assert early(search(params, **body)) == (why and Skip(why))


@pytest.mark.parametrize(
    ("given_", "page_", "expected"),
    [
        (RerankRequest("q", window=20), (0, 10), (0, 10, 20, 20)),
        (RerankRequest("q", window=20), (15, 10), (15, 5, 20, 20)),
        (RerankRequest("q", window=20), (30, 10), (30, 0, 30, 20)),
        (RerankRequest("q", window=100), (0, 80), (0, 80, 80, 50)),
        (RerankRequest("q", window=100, min_score=0.5), (0, 80), (0, 50, 50, 50)),
        (RerankRequest("q"), (0, 80), (0, 80, 80, 50)),
        (RerankRequest("q"), (60, 10), (60, 10, 10, 0)),
    ],
)
def test_a_reranker_asked_for_by_name_gives_what_it_reads(
    given_: RerankRequest, page_: tuple[int, int], expected: tuple[int, ...]
) -> None:
    plan = make(replace(search(**{"from": page_[0], "size": page_[1]}), rerank_request=given_), RULE, INFO)
    assert isinstance(plan, Plan)
    assert (plan.text, plan.min_score) == ("q", given_.min_score)
    assert (plan.start, plan.size, plan.fetch_size, plan.window) == expected


def test_what_is_asked_by_name_stands_above_the_rule() -> None:
    rule = replace(RULE, fields=("title",), template="t: {title}")
    plan = make(replace(search(), rerank_request=RerankRequest("q", fields=("body",), chunks=True)), rule, INFO)
    assert isinstance(plan, Plan)
    assert (plan.passage_fields, plan.rule.template, plan.rule.long.mode) == (("body",), None, "max_passage")


@pytest.mark.parametrize(
    ("ranked", "expected"), [(20, (20, 20)), (100, (50, 50)), (9, Skip(Why.BEYOND_WINDOW)), (None, (10, 10))]
)
def test_a_retriever_is_never_asked_for_more_than_it_ranks(ranked: int | None, expected: Any) -> None:
    rrf = {"retrievers": [{"standard": {"query": HOSE}}], **({"rank_window_size": ranked} if ranked else {})}
    plan = make(Search("docs", body={"retriever": {"rrf": rrf}}), RULE, INFO)
    assert (plan if isinstance(plan, Skip) else (plan.fetch_size, plan.window)) == expected


@pytest.mark.parametrize(("more", "why"), [({}, None), ({"_source": False}, Why.TOP_HITS)])
def test_top_hits_would_show_what_the_model_reads(more: dict[str, Any], why: Why | None) -> None:
    body = {"query": HOSE, "aggs": {"a": {"top_hits": {}}}, **more}
    plan = make(Search("docs", body=body, raw=json.dumps(body).encode()), RULE, INFO, two_phase=False)
    assert (plan.why if isinstance(plan, Skip) else None) is why


def test_inner_hits_look_at_stored_fields_themselves() -> None:
    nested = {"nested": {"path": "c", "query": HOSE, "inner_hits": {}}}
    body = {"query": nested, "stored_fields": "_none_"}
    assert early(Search("docs", body=body, raw=json.dumps(body).encode())) == Skip(Why.STORED_FIELDS)


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
