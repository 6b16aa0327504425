"""Each search is planned, with `plan.make`, to see in which phases it is fetched."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from es_rerank.model import FetchPhase, IndexInfo, Plan, RerankRequest, Rule, Search, Skip, Why
from es_rerank.search.phases import PAGE_PARTS, WINDOW_PARTS, is_two_phase
from es_rerank.search.plan import make
from tests.search.builders import a_plan, a_search

RULE = Rule("docs", window=50)
HOSE = {"match": {"body": "hose"}}
ONE_INDEX = IndexInfo(("docs",), {"body": "text"})
HIGHLIGHTED = {"query": HOSE, "highlight": {"fields": {"body": {}}}}
NESTED = {"nested": {"path": "c", "query": HOSE, "inner_hits": {"size": 1}}}


def phase(search_: Search, info: IndexInfo, *, two_phase: bool = True) -> FetchPhase:
    """Return the phase of a search that is planned whatever its query says."""
    requested = replace(search_, rerank_request=RerankRequest("hose"))
    plan = make(requested, replace(RULE, fields=("body",)), info, two_phase=two_phase)
    assert isinstance(plan, Plan)
    assert not (plan.fetch.phase is FetchPhase.QUERY and plan.extra_fields)
    return plan.fetch.phase


@pytest.mark.parametrize(
    ("params", "body", "info", "size", "expected"),
    [
        ({}, HIGHLIGHTED, ONE_INDEX, 10, True),
        (
            {},
            {**HIGHLIGHTED, "aggs": {"a": {"terms": {"field": "tag"}}}, "post_filter": {"term": {"t": 1}}},
            ONE_INDEX,
            10,
            True,
        ),
        ({}, {"query": {}, "explain": True}, ONE_INDEX, 10, True),
        ({"explain": "true"}, {"query": {}}, ONE_INDEX, 10, True),
        ({}, {"query": {}, "script_fields": {"s": {}}, "fields": ["body"]}, ONE_INDEX, 25, True),
        ({}, {"query": NESTED}, ONE_INDEX, 10, True),
        ({}, HIGHLIGHTED, ONE_INDEX, 26, False),
        ({}, HIGHLIGHTED, ONE_INDEX, 0, False),
        ({}, {"query": {}, "explain": False}, ONE_INDEX, 10, False),
        ({"explain": "false"}, {"query": {}}, ONE_INDEX, 10, False),
        ({}, {**HIGHLIGHTED, "collapse": {"field": "tag"}}, ONE_INDEX, 10, False),
        ({}, {**HIGHLIGHTED, "rescore": {}}, ONE_INDEX, 10, False),
        ({}, {**HIGHLIGHTED, "never_heard_of": 1}, ONE_INDEX, 10, False),
        ({"terminate_after": "5"}, HIGHLIGHTED, ONE_INDEX, 10, False),
        ({"source": "{}"}, HIGHLIGHTED, ONE_INDEX, 10, False),
        ({}, HIGHLIGHTED, IndexInfo(("docs", "more"), {}), 10, True),
        ({}, HIGHLIGHTED, IndexInfo(("docs", "far:more"), {}), 10, False),
        ({}, HIGHLIGHTED, IndexInfo((), {}), 10, False),
        ({"explain": "true", "q": "hose"}, {}, ONE_INDEX, 10, True),
        ({"explain": "true"}, {}, ONE_INDEX, 10, False),
    ],
)
def test_two_phases_are_planned_only_where_they_return_the_same_for_less(
    params: dict[str, str], body: dict[str, Any], info: IndexInfo, size: int, expected: bool
) -> None:
    sized = a_search(body, {**params, "size": str(size)})
    assert phase(sized, info) is (FetchPhase.QUERY if expected else FetchPhase.WINDOW)
    assert phase(sized, info, two_phase=False) is FetchPhase.WINDOW


@pytest.mark.parametrize(
    ("params", "body", "expected"),
    [
        ({}, {"query": {}, "_source": False}, True),
        ({"_source_excludes": "body"}, {"query": {}}, True),
        ({"q": "hose"}, {"_source": False}, True),
        ({"q": "hose", "_source": "title"}, {}, True),
        ({"terminate_after": "5"}, {"_source": False}, False),
    ],
)
def test_a_page_of_any_size_has_two_phases_where_one_would_need_extra_fields(
    params: dict[str, str], body: dict[str, Any], expected: bool
) -> None:
    sized = a_search(body, {**params, "size": "50"})
    assert phase(sized, ONE_INDEX) is (FetchPhase.QUERY if expected else FetchPhase.WINDOW)


def test_hits_without_stored_fields_have_no_second_phase() -> None:
    assert phase(a_search({**HIGHLIGHTED, "stored_fields": "_none_"}), ONE_INDEX) is FetchPhase.WINDOW


def test_a_recorded_search_has_two_phases_if_its_hits_can_be_ordered_and_no_other_plugin_has_options() -> None:
    recorded = {"query": HOSE, "ext": {"ubi": {}}}
    assert phase(a_search(recorded), ONE_INDEX) is FetchPhase.QUERY
    assert make(a_search({**recorded, "sort": ["_score"]}), RULE, ONE_INDEX) == Skip(Why.UBI)
    assert make(a_search({**recorded, "ext": {"ubi": {}, "mmr": {}}}), RULE, ONE_INDEX) == Skip(Why.UBI)
    assert phase(a_search({**HIGHLIGHTED, "ext": {"mmr": {}}}), ONE_INDEX) is FetchPhase.WINDOW


@pytest.mark.parametrize(("size", "expected"), [(65_536, True), (65_537, False)])
def test_inner_hits_are_removed_from_bodies_of_up_to_64_kibibytes(size: int, expected: bool) -> None:
    body = json.dumps({"query": NESTED}).encode().ljust(size)
    assert is_two_phase(a_search(body), ONE_INDEX, a_plan(), needs_fields=False) is expected
    plain = json.dumps(HIGHLIGHTED).encode().ljust(size)
    assert is_two_phase(a_search(plain), ONE_INDEX, a_plan(), needs_fields=False)


def test_a_body_may_have_all_members_that_are_the_same_in_two_phases() -> None:
    body = dict.fromkeys(WINDOW_PARTS | PAGE_PARTS, 1)
    assert is_two_phase(a_search(body), ONE_INDEX, a_plan(), needs_fields=True)
    assert not is_two_phase(a_search({**body, "collapse": 1}), ONE_INDEX, a_plan(), needs_fields=True)


@pytest.mark.parametrize(
    ("start", "size", "window", "expected"),
    [
        (0, 25, 50, True),
        (0, 26, 50, False),
        (15, 10, 50, True),
        (16, 10, 50, False),
        (0, 0, 50, False),
        (1, 0, 50, True),
        (0, 1, 2, True),
        (0, 1, 1, False),
    ],
)
def test_two_phases_are_worth_it_for_at_most_half_of_the_window(
    start: int, size: int, window: int, expected: bool
) -> None:
    plan = a_plan(start=start, size=size, window=window)
    assert is_two_phase(a_search(HIGHLIGHTED), ONE_INDEX, plan, needs_fields=False) is expected
    assert is_two_phase(a_search(HIGHLIGHTED), ONE_INDEX, plan, needs_fields=True)
    assert not is_two_phase(a_search({"query": HOSE}), ONE_INDEX, plan, needs_fields=False)


@pytest.mark.parametrize(("window", "expected"), [(50, True), (0, False)])
def test_hits_of_a_window_are_recorded_in_a_second_phase(window: int, expected: bool) -> None:
    recorded = a_search({"query": HOSE, "ext": {"ubi": {}}})
    assert is_two_phase(recorded, ONE_INDEX, a_plan(window=window, size=50), needs_fields=False) is expected
