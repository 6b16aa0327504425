from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import (
    FetchPhase,
    FetchSpec,
    IndexInfo,
    LowHits,
    MinProbability,
    PipelineEffect,
    Plan,
    PlanningBudget,
    RerankRequest,
    Rule,
    Search,
    Skip,
    Why,
)
from es_rerank.search.plan import CHECKS, early, make, shadow
from tests.search.builders import a_plan, a_search
from tests.search.strategies import JSON

RULE = Rule("docs", window=50)
INFO = IndexInfo(("docs",), {"title": "text", "body": "text", "tag": "keyword"})
HOSE = {"match": {"body": "hose"}}


def search(params: dict[str, str] | None = None, **body: Any) -> Search:
    return a_search({"query": HOSE, **body}, params)


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
def test_a_page_is_a_slice_of_the_window_or_lies_beyond_it(
    start: int, size: int, fetched: tuple[int, int], window: int
) -> None:
    plan = make(search(**{"from": start, "size": size}), RULE, INFO)
    assert isinstance(plan, Plan)
    assert (plan.start, plan.size, plan.window) == (start, size, window)
    assert plan.fetch == FetchSpec(FetchPhase.WINDOW, *fetched)


def test_a_plan_has_the_text_the_fields_and_the_rule() -> None:
    plan = make(search(_source=False), RULE, INFO, two_phase=False)
    assert isinstance(plan, Plan)
    assert (plan.text, plan.passage_fields, plan.rule) == ("hose", ("title", "body"), RULE)
    assert plan.extra_fields == ("title", "body")


WHOLE = Plan(
    text="hose",
    start=0,
    size=10,
    fetch=FetchSpec(FetchPhase.WINDOW, 0, 50),
    window=50,
    rule=RULE,
    passage_fields=("title", "body"),
    counts_hits=True,
    named_fields=("body",),
    chooses_fields=True,
    target="docs",
)


@pytest.mark.parametrize(
    ("params", "body", "rule", "expected"),
    [
        ({}, {}, RULE, WHOLE),
        (
            {},
            {},
            replace(RULE, fields=("tag",)),
            replace(
                WHOLE,
                rule=replace(RULE, fields=("tag",)),
                passage_fields=("tag",),
                named_fields=(),
                chooses_fields=False,
            ),
        ),
        (
            {"ignore_unavailable": "true", "from": "3", "size": "4"},
            {"fields": ["title"], "aggs": {}},
            RULE,
            replace(
                WHOLE,
                start=3,
                size=4,
                client_fields=("title",),
                index_options=(("ignore_unavailable", "true"),),
            ),
        ),
        ({}, {"stored_fields": "_none_"}, RULE, None),
    ],
)
def test_a_whole_plan(params: dict[str, str], body: dict[str, Any], rule: Rule, expected: Plan | None) -> None:
    plan = make(search(params, **body), rule, INFO)
    assert isinstance(plan, Plan)
    if expected is None:
        expected = replace(WHOLE, without_stored_fields=True, client_fields=("_none_",), extra_fields=("title", "body"))
    assert plan == expected
    assert plan.info is INFO


def test_the_indices_of_a_point_in_time_are_not_all_known() -> None:
    plan = make(search(pit={"id": "x"}), RULE, INFO)
    assert isinstance(plan, Plan)
    assert plan.info is None


@pytest.mark.parametrize(("count", "why"), [(1000, None), (1001, Why.TOO_LARGE)])
def test_a_search_requests_at_most_1000_field_patterns(count: int, why: Why | None) -> None:
    skip = early(search(fields=[f"f{number}" for number in range(count)]))
    assert (skip and skip.why) is why


@pytest.mark.parametrize(
    ("fields", "comparisons", "is_planned"),
    [
        (["t*"], 3, True),
        (["t*"], 2, False),
        (["t*", "b*", "t*"], 6, True),
        (["t*", "b*", "t*"], 5, False),
        (["title"], 0, True),
    ],
)
def test_each_pattern_is_compared_with_each_field_within_a_budget(
    fields: list[str], comparisons: int, is_planned: bool
) -> None:
    requested = a_search({"query": {"multi_match": {"query": "hose", "fields": fields}}})
    requested = replace(requested, budget=PlanningBudget(comparisons=comparisons))
    plan = make(requested, RULE, INFO)
    assert isinstance(plan, Plan) if is_planned else plan == Skip(Why.TOO_COMPLEX)
    # With given fields, nothing is compared.
    assert isinstance(make(requested, replace(RULE, fields=("body",)), INFO), Plan)


HIGHLIGHT = {"highlight": {"fields": {"body": {}}}}


@pytest.mark.parametrize(
    ("pipeline", "body", "expected"),
    [
        (PipelineEffect.NONE, HIGHLIGHT, (FetchPhase.QUERY, ())),
        (PipelineEffect.PER_HIT, HIGHLIGHT, (FetchPhase.WINDOW, ())),
        (PipelineEffect.PAGE, HIGHLIGHT, Why.SEARCH_PIPELINE),
        (PipelineEffect.PAGE, {}, Why.SEARCH_PIPELINE),
        (PipelineEffect.PER_HIT, {}, (FetchPhase.WINDOW, ())),
        (PipelineEffect.NONE, {"_source": False}, (FetchPhase.QUERY, ())),
        (PipelineEffect.PER_HIT, {"_source": False}, Why.SEARCH_PIPELINE),
    ],
)
def test_the_phases_of_a_search_with_a_pipeline(
    pipeline: PipelineEffect, body: dict[str, Any], expected: tuple[FetchPhase, tuple[str, ...]] | Why
) -> None:
    plan = make(search(**body), RULE, replace(INFO, pipeline=pipeline))
    assert (plan.why if isinstance(plan, Skip) else (plan.fetch.phase, plan.extra_fields)) == expected


@pytest.mark.parametrize(
    ("has_source", "body", "expected"),
    [
        (True, {}, (FetchPhase.WINDOW, False, ())),
        (False, {}, (FetchPhase.QUERY, True, ())),
        (True, {"_source": False, "size": 50}, (FetchPhase.QUERY, False, ())),
        (False, {"_source": False, "size": 50}, (FetchPhase.QUERY, True, ())),
        (True, {"_source": True}, (FetchPhase.WINDOW, False, ())),
        (False, {"_source": True}, (FetchPhase.QUERY, True, ())),
        (True, {"_source": False, "collapse": {"field": "tag"}}, (FetchPhase.WINDOW, False, ("title", "body"))),
        (True, {"_source": True, "collapse": {"field": "tag"}}, (FetchPhase.WINDOW, False, ())),
    ],
)
def test_where_the_texts_for_the_model_come_from(
    has_source: bool, body: dict[str, Any], expected: tuple[FetchPhase, bool, tuple[str, ...]]
) -> None:
    plan = make(search(**body), RULE, replace(INFO, has_source=has_source))
    assert isinstance(plan, Plan)
    assert (plan.fetch.phase, plan.reads_stored, plan.extra_fields) == expected


def test_a_field_whose_value_another_part_may_return_is_not_requested() -> None:
    body = {"_source": False, "collapse": {"field": "tag"}}
    assert make(search(**body, docvalue_fields=["t*"]), RULE, INFO) == Skip(Why.STORED_FIELDS)
    assert isinstance(make(search(**body, docvalue_fields=["x*"]), RULE, INFO), Plan)


@pytest.mark.parametrize(
    ("ext", "phase", "is_measured"),
    [
        (None, FetchPhase.WINDOW, True),
        ({}, FetchPhase.WINDOW, True),
        ({"mmr": {}}, FetchPhase.WINDOW, False),
        ({"mmr": {}}, FetchPhase.QUERY, True),
        (None, FetchPhase.QUERY, True),
    ],
)
def test_a_shadow_is_not_measured_if_a_plugin_would_get_its_options_twice(
    ext: Any, phase: FetchPhase, is_measured: bool
) -> None:
    plan = a_plan(fetch=FetchSpec(phase, 0, 50), rule=RULE)
    assert shadow(search(ext=ext), plan) == Skip(Why.SHADOW, plan if is_measured else None, "docs")


@pytest.mark.parametrize(("start", "expected"), [(0, Skip(Why.UBI)), (60, 0)])
def test_a_recorded_page_beyond_the_window_is_planned_without_a_window(start: int, expected: Any) -> None:
    plan = make(search(**{"from": start, "ext": {"ubi": {}}}), RULE, INFO, two_phase=False)
    assert (plan if isinstance(plan, Skip) else plan.window) == expected


@pytest.mark.parametrize(
    ("query", "field_types", "why"),
    [
        ({"match": {"tag": "diy"}}, INFO.field_types, Why.NO_QUERY_TEXT),
        ({"match": {"x": "diy"}}, {"tag": "keyword"}, Why.NO_TEXT_FIELDS),
        ({"match": {"x": "diy"}}, {}, Why.NO_TEXT_FIELDS),
    ],
)
def test_the_mapping_may_rule_a_search_out(query: Any, field_types: dict[str, str], why: Why) -> None:
    assert make(a_search({"query": query}), RULE, replace(INFO, field_types=field_types)) == Skip(why)


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
        ({}, {"from": -1}, Why.UNREADABLE),
        ({"size": " 10"}, {}, Why.UNREADABLE),
        ({}, {"size": None}, Why.UNREADABLE),
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
def test_a_search_may_rule_itself_out(params: dict[str, str], body: dict[str, Any], why: Why | None) -> None:
    assert early(search(params, **body)) == (why and Skip(why))


@pytest.mark.parametrize(
    ("rerank_request", "page_", "expected"),
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
def test_a_reranker_asked_for_explicitly_returns_only_what_it_read(
    rerank_request: RerankRequest, page_: tuple[int, int], expected: tuple[int, ...]
) -> None:
    requested = replace(search(**{"from": page_[0], "size": page_[1]}), rerank_request=rerank_request)
    plan = make(requested, RULE, INFO)
    assert isinstance(plan, Plan)
    assert (plan.text, plan.min_score) == ("q", rerank_request.min_score)
    assert (plan.start, plan.size, plan.fetch.size, plan.window) == expected


def test_an_explicit_request_takes_precedence_over_the_rule() -> None:
    rule = replace(RULE, fields=("title",), template="t: {title}")
    plan = make(replace(search(), rerank_request=RerankRequest("q", fields=("body",), chunks=True)), rule, INFO)
    assert isinstance(plan, Plan)
    assert (plan.passage_fields, plan.rule.template, plan.rule.long.mode) == (("body",), None, "max_passage")


@pytest.mark.parametrize(
    ("rank_window_size", "expected"),
    [(20, (20, 20)), (100, (50, 50)), (9, Skip(Why.BEYOND_WINDOW)), (None, (10, 10))],
)
def test_a_retriever_is_never_asked_for_more_than_it_ranks(rank_window_size: int | None, expected: Any) -> None:
    rrf = {
        "retrievers": [{"standard": {"query": HOSE}}],
        **({"rank_window_size": rank_window_size} if rank_window_size else {}),
    }
    plan = make(a_search({"retriever": {"rrf": rrf}}), RULE, INFO)
    assert (plan if isinstance(plan, Skip) else (plan.fetch.size, plan.window)) == expected


KNN = {"knn": {"field": "v", "query_vector": [1], "num_candidates": 40}}


@pytest.mark.parametrize(
    ("more", "page_", "expected"),
    [
        ({"query": {"bool": {"should": [KNN, HOSE]}}}, (0, 4), (FetchSpec(FetchPhase.WINDOW, 0, 4), 4)),
        ({"query": {"bool": {"should": [KNN, HOSE]}}}, (4, 4), (FetchSpec(FetchPhase.WINDOW, 4, 4), 0)),
        ({**KNN, "highlight": {"fields": {"body": {}}}}, (0, 60), (FetchSpec(FetchPhase.WINDOW, 0, 60), 50)),
        ({"ext": {"mmr": {"diversity": 0.5}}, "_source": False}, (0, 4), (FetchSpec(FetchPhase.WINDOW, 0, 4), 4)),
        ({"knn": {**KNN["knn"], "k": 4}}, (0, 4), (FetchSpec(FetchPhase.WINDOW, 0, 50), 50)),
    ],
)
def test_a_search_whose_result_depends_on_size_keeps_its_page(
    more: dict[str, Any], page_: tuple[int, int], expected: Any
) -> None:
    plan = make(search(**{"from": page_[0], "size": page_[1], **more}), RULE, INFO)
    assert isinstance(plan, Plan)
    assert (plan.fetch, plan.window) == expected


@pytest.mark.parametrize(
    ("start", "limit", "fetched"), [(0, None, 60), (45, None, 105), (70, None, 130), (0, 55, 55), (70, 100, 100)]
)
def test_if_hits_of_the_window_move_to_the_end_as_many_more_are_fetched(
    start: int, limit: int | None, fetched: int
) -> None:
    rule = replace(RULE, min_probability=MinProbability(0.5, LowHits.LAST))
    plan = make(search(**{"from": start, "size": 10}), rule, replace(INFO, max_result_window=limit))
    assert isinstance(plan, Plan)
    assert (plan.fetch, plan.window) == (FetchSpec(FetchPhase.WINDOW, 0, fetched), 50)


@pytest.mark.parametrize(
    ("more", "hits_only"), [({}, True), ({"aggs": {}}, False), ({"suggest": {}}, False), ({"ext": {"ubi": {}}}, False)]
)
def test_the_query_phase_is_the_response_without_hits_if_it_has_nothing_else(
    more: dict[str, Any], hits_only: bool
) -> None:
    plan = make(search(highlight={"fields": {"body": {}}}, **more), RULE, INFO)
    assert isinstance(plan, Plan)
    assert (plan.fetch.phase, plan.hits_only) == (FetchPhase.QUERY, hits_only)


@pytest.mark.parametrize(
    ("more", "counts"),
    [
        ({}, True),
        ({"highlight": {"fields": {"body": {}}}, "post_filter": {"term": {"tag": "diy"}}}, True),
        ({"collapse": {"field": "tag"}}, False),
        ({"terminate_after": 5}, False),
        ({"ext": {"mmr": {}}}, False),
        (KNN, False),
        ({"query": None, "retriever": {"standard": {"query": HOSE}}}, False),
    ],
)
def test_some_searches_return_fewer_hits_than_match(more: dict[str, Any], counts: bool) -> None:
    plan = make(search(**more), RULE, INFO)
    assert isinstance(plan, Plan)
    assert plan.counts_hits is counts


def test_a_reranker_asked_for_explicitly_sets_the_size_itself() -> None:
    requested = replace(search(**KNN, size=4), rerank_request=RerankRequest("q", window=20))
    plan = make(requested, RULE, INFO)
    assert isinstance(plan, Plan)
    assert (plan.fetch.size, plan.window, plan.size) == (20, 20, 4)


@pytest.mark.parametrize(("more", "why"), [({}, None), ({"_source": False}, Why.TOP_HITS)])
def test_top_hits_would_show_the_fields_that_the_model_reads(more: dict[str, Any], why: Why | None) -> None:
    body = {"query": HOSE, "aggs": {"a": {"top_hits": {}}}, **more}
    plan = make(a_search(body), RULE, INFO, two_phase=False)
    assert (plan.why if isinstance(plan, Skip) else None) is why


def test_inner_hits_read_stored_fields_themselves() -> None:
    nested = {"nested": {"path": "c", "query": HOSE, "inner_hits": {}}}
    assert early(a_search({"query": nested, "stored_fields": "_none_"})) == Skip(Why.STORED_FIELDS)


def with_odd_values(
    valid: st.SearchStrategy[dict[str, Any]], odd: st.SearchStrategy[Any], *names: str
) -> st.SearchStrategy[dict[str, Any]]:
    """Replace at most one of the valid values, so that most searches get as far as a plan."""
    replaced = st.dictionaries(st.sampled_from(names), odd, max_size=1)
    return st.builds(lambda values, more: {**values, **more}, valid, replaced)


PARAMETERS = with_odd_values(
    st.fixed_dictionaries(
        {},
        optional={
            "from": st.sampled_from(["0", "7000"]),
            "size": st.sampled_from(["3", "60"]),
            "sort": st.sampled_from(["", "_score", "_score:desc,date"]),
            "filter_path": st.sampled_from(["hits", "-took"]),
        },
    ),
    st.text(),
    *("from", "size", "sort", "scroll", "stored_fields", "filter_path"),
)
BODIES = with_odd_values(
    st.fixed_dictionaries(
        {"query": st.sampled_from([HOSE, {"bool": {"must": [HOSE]}}, {"match": {"tag": "diy"}}])},
        optional={
            "from": st.sampled_from([0, 45, "5"]),
            "size": st.sampled_from([5, 10, "60"]),
            "sort": st.sampled_from(["_score", ["_score", "date"], {"_score": {"order": "desc"}}, []]),
            "fields": st.lists(st.sampled_from(["title", {"field": "b*"}])),
            "_source": st.booleans() | st.just(["title"]),
            "highlight": st.just({"fields": {"body": {}}}),
        },
    ),
    JSON,
    *("from", "size", "sort", "pit", "query", "profile", "fields", "_source"),
)


def test_every_search_is_planned_or_skipped() -> None:
    planned: list[Plan] = []

    @given(PARAMETERS, BODIES)
    def check(params: dict[str, str], body: dict[str, Any]) -> None:
        requested = a_search(body, params)
        skip = early(requested)
        if skip:
            assert skip.why in {why for why, _ in CHECKS}
            return
        plan = make(requested, RULE, INFO)
        if isinstance(plan, Plan):
            planned.append(plan)
            assert plan.text
            assert plan.passage_fields
            assert plan.fetch.from_ <= plan.start
            assert plan.window <= RULE.window
            assert not plan.window or plan.fetch.size >= plan.start + plan.size
        else:
            assert plan.why in {Why.NO_QUERY_TEXT, Why.TOP_HITS, Why.BEYOND_WINDOW}

    check()
    assert planned
    assert any(plan.window for plan in planned)
