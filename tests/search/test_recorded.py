from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from es_rerank.model import FetchPhase, FetchSpec, HitKey, IndexInfo, PipelineEffect, Plan, Rule, Search, Skip, Why
from es_rerank.search.plan import make, shadow
from es_rerank.search.recorded import shown_order
from tests.search.builders import a_search

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
