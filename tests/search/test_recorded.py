from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from es_rerank.model import FetchPhase, FetchSpec, HitKey, IndexInfo, PipelineEffect, Plan, Rule, Search, Skip, Why
from es_rerank.search.plan import make, shadow
from es_rerank.search.recorded import can_be_ordered, is_only_recorded, is_recorded, shown_order, ubi_record
from tests.search.builders import a_plan, a_search

INFO = IndexInfo(("docs",), {"title": "text", "body": "text"})
RULE = Rule("docs")
HOSE = {"match": {"body": "hose"}}
UBI = {"ubi": {"query_id": "1"}}


def search(params: dict[str, str] | None = None, **body: Any) -> Search:
    return replace(a_search({"query": HOSE, "ext": UBI, **body}), params=params or {})


@pytest.mark.parametrize(
    "body", [{}, {"_source": ["title"]}, {"highlight": {}}, {"from": 45, "size": 10}, {"size": 200}]
)
def test_the_query_phase_is_not_recorded_and_the_fetch_phase_is(body: dict[str, Any]) -> None:
    plan = make(search(**body), RULE, INFO)
    assert isinstance(plan, Plan)
    assert (plan.fetch.phase, plan.recorded, plan.hits_only) == (FetchPhase.QUERY, True, False)


def test_a_page_after_the_window_keeps_its_order_and_needs_one_request() -> None:
    plan = make(search(**{"from": 60, "size": 10}), RULE, INFO)
    assert isinstance(plan, Plan)
    assert (plan.fetch, plan.window) == (FetchSpec(FetchPhase.WINDOW, 60, 10), 0)


@pytest.mark.parametrize(
    ("params", "body"),
    [
        ({}, {"sort": ["_score", {"date": "asc"}]}),
        ({"sort": "_score"}, {}),
        ({}, {"explain": True}),
        ({"explain": "true"}, {}),
        ({}, {"size": 201}),
        ({}, {"ext": {**UBI, "mmr": {}}}),
        ({}, {"collapse": {"field": "x"}}),
        ({"terminate_after": "5"}, {}),
        ({}, {"stored_fields": "_none_"}),
        ({}, {"knn": {"field": "v", "query_vector": [1]}}),
    ],
)
def test_a_search_that_cannot_be_recorded_as_shown_is_left_alone(params: dict[str, str], body: dict[str, Any]) -> None:
    assert make(search(params, **body), RULE, INFO) == Skip(Why.UBI)


def test_without_a_fetch_phase_a_search_is_left_alone() -> None:
    assert make(search(), RULE, INFO, two_phase=False) == Skip(Why.UBI)
    assert make(search(), RULE, replace(INFO, names=("remote:docs",))) == Skip(Why.UBI)
    assert make(search(), RULE, replace(INFO, pipeline=PipelineEffect.PER_HIT)) == Skip(Why.UBI)


@pytest.mark.parametrize(
    ("body", "repeated"),
    [({}, True), ({"from": 60}, False), ({"from": 60, "ext": None}, True), ({"ext": {"mmr": {}}}, False)],
)
def test_only_a_request_without_options_of_plugins_is_repeated_to_measure_it(
    body: dict[str, Any], repeated: bool
) -> None:
    requested = search(**body)
    plan = make(requested, RULE, INFO)
    assert isinstance(plan, Plan)
    assert (shadow(requested, plan).shadow is plan) is repeated


def test_the_order_is_that_of_the_hits() -> None:
    rescore = shown_order((HitKey("a", "1"), HitKey("a", "2"), HitKey("b", "1")))
    clauses = [one["constant_score"] for one in rescore["query"]["rescore_query"]["bool"]["should"]]
    assert [one["boost"] for one in clauses] == [3.0, 2.0, 1.0]
    assert [one["filter"]["bool"]["filter"][1] for one in clauses] == [
        {"ids": {"values": [one]}} for one in ("1", "2", "1")
    ]
    assert (rescore["query"]["query_weight"], rescore["window_size"]) == (0.0, 3)
    assert rescore["query"]["rescore_query_weight"] == 1.0


@pytest.mark.parametrize(
    ("body", "recorded", "only"),
    [
        ({"ext": UBI}, True, True),
        ({"ext": {**UBI, "mmr": {}}}, True, False),
        ({"ext": {"mmr": {}}}, False, False),
        ({"ext": {}}, False, False),
        ({"ext": "ubi"}, False, False),
        ({}, False, False),
    ],
)
def test_a_search_is_recorded_if_it_has_options_for_the_plugin(
    body: dict[str, Any], recorded: bool, only: bool
) -> None:
    parsed = a_search(body).body
    assert (is_recorded(parsed), is_only_recorded(parsed)) == (recorded, only)


@pytest.mark.parametrize(
    ("params", "body", "size", "expected"),
    [
        ({}, {}, 200, True),
        ({}, {}, 201, False),
        ({}, {"sort": [], "explain": False}, 10, True),
        ({}, {"sort": ["_score"]}, 10, False),
        ({}, {"explain": True}, 10, False),
        ({"sort": "_score"}, {}, 10, False),
        ({"explain": "false"}, {}, 10, False),
        ({"routing": "a"}, {"query": HOSE}, 10, True),
    ],
)
def test_the_engine_can_order_up_to_200_hits_without_sort_and_explanations(
    params: dict[str, str], body: dict[str, Any], size: int, expected: bool
) -> None:
    assert can_be_ordered(a_search(body, params), size) is expected


PAGE = {"from": 20, "index": "docs"}


@pytest.mark.parametrize(
    ("ext", "expected"),
    [
        (None, {"user_query": "hose", "query_attributes": PAGE}),
        ({"ubi": None}, {"user_query": "hose", "query_attributes": PAGE}),
        ({"ubi": {}}, {"user_query": "hose", "query_attributes": PAGE}),
        (
            {
                "ubi": {
                    "query_id": "1",
                    "client_id": "c",
                    "application": "shop",
                    "user_query": "Hose!",
                    "object_id_field": "sku",
                    "query_attributes": {"from": 3, "size": 10},
                }
            },
            {
                "user_query": "Hose!",
                "query_id": "1",
                "client_id": "c",
                "application": "shop",
                "query_attributes": {"size": 10, **PAGE},
            },
        ),
        (
            {"ubi": {"query_id": 1, "user_query": None, "query_attributes": "x"}},
            {"user_query": "hose", "query_attributes": PAGE},
        ),
        ({"mmr": {"query_id": "1"}}, {"user_query": "hose", "query_attributes": PAGE}),
    ],
)
def test_a_record_has_the_search_and_its_page(ext: Any, expected: dict[str, Any]) -> None:
    plan = a_plan(text="hose", start=20, target="docs")
    found = ubi_record(plan, a_search({"ext": ext} if ext else {}).body, ("a", "b"))
    assert found == {**expected, "query_response_hit_ids": ["a", "b"]}
