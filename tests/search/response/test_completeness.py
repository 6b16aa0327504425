from __future__ import annotations

import json
from typing import Any

import pytest

from es_rerank.jsonspan import splice
from es_rerank.model import FetchPhase, FetchSpec, Why
from es_rerank.search.response.completeness import carried_over, has_expected_hits, lost_shards, unusable
from es_rerank.search.response.hits import read
from tests.search.builders import a_plan


def answer(count: int, total: Any = None, **more: Any) -> bytes:
    hits: dict[str, Any] = {"hits": [{"_score": 1.0}] * count}
    return json.dumps({"hits": hits | ({} if total is None else {"total": total}), **more}).encode()


def exactly(value: Any) -> dict[str, Any]:
    return {"value": value, "relation": "eq"}


@pytest.mark.parametrize(
    ("count", "total", "start", "expected"),
    [
        (5, exactly(40), 0, True),
        (3, exactly(3), 0, True),
        (3, exactly(40), 0, False),
        (6, exactly(40), 0, False),
        (4, exactly(3), 0, False),
        (2, exactly(40), 38, True),
        (0, exactly(40), 50, True),
        (5, {"value": 3, "relation": "gte"}, 0, True),
        (2, {"value": 3, "relation": "gte"}, 0, False),
        (4, 40, 0, False),
        (5, 40, 0, True),
        (5, 3, 0, True),
        (5, 0, 0, True),
        (6, 3, 0, False),
        (4, -1, 0, True),
        (4, None, 0, True),
        (6, None, 0, False),
        (4, exactly("many"), 0, True),
        (4, "many", 0, True),
    ],
)
def test_a_response_has_as_many_hits_as_its_total_says(count: int, total: Any, start: int, expected: bool) -> None:
    fetch = FetchSpec(FetchPhase.WINDOW, start, 5)
    assert has_expected_hits(read(answer(count, total)), fetch) is expected


def failures(*types: Any) -> dict[str, Any]:
    return {"failed": len(types), "failures": [{"shard": 0, "reason": {"type": one}} for one in types]}


@pytest.mark.parametrize(
    ("shards", "expected"),
    [
        ({"failed": 0}, False),
        (failures("no_shard_available_action_exception"), False),
        (failures("no_shard_available_action_exception", "illegal_argument_exception"), True),
        ({"failed": 1, "failures": ["unknown"]}, True),
        ([], False),
    ],
)
def test_a_shard_that_failed_may_have_done_so_because_of_the_window(shards: Any, expected: bool) -> None:
    assert lost_shards(read(answer(1, _shards=shards))) is expected
    assert not lost_shards(read(answer(1)))


ALL = {"total": 2, "failed": 0}
SOME = {"total": 2, **failures("no_shard_available_action_exception")}


@pytest.mark.parametrize(
    ("query", "fetch", "expected"),
    [
        ({"timed_out": False, "_shards": ALL}, {"timed_out": False, "_shards": ALL}, {}),
        ({"timed_out": True, "_shards": ALL}, {"timed_out": False, "_shards": ALL}, {"timed_out": True}),
        ({"timed_out": False, "_shards": SOME}, {"timed_out": False, "_shards": ALL}, {"_shards": SOME}),
        # An aggregation may fail, which is only in the fetch phase.
        ({"timed_out": False, "_shards": ALL}, {"timed_out": False, "_shards": SOME}, {}),
        ({"timed_out": True}, {"_shards": ALL}, {}),
        ({"_shards": []}, {"_shards": ALL}, {}),
    ],
    ids=["complete", "timed out", "shard lost", "fetch phase", "no such members", "other format"],
)
def test_a_client_is_told_if_the_query_phase_has_not_searched_all_documents(
    query: dict[str, Any], fetch: dict[str, Any], expected: dict[str, Any]
) -> None:
    body = answer(2, exactly(2), **fetch)
    edits = carried_over(read(answer(3, exactly(40), **query)), read(body))
    assert json.loads(splice(body, edits)) == json.loads(answer(2, exactly(40), **fetch | expected))


def test_a_response_that_cannot_be_used_has_a_reason() -> None:
    cut = read(answer(3, exactly(40)))
    assert unusable(cut, a_plan(counts_hits=True)) is Why.SEARCH_PIPELINE
    assert unusable(cut, a_plan(counts_hits=False)) is None
    assert unusable(read(answer(3, exactly(3))), a_plan(counts_hits=True)) is None
    assert unusable(read(answer(3, _shards=failures("illegal_argument_exception"))), a_plan()) is Why.ENGINE_ERROR


@pytest.mark.parametrize(
    ("count", "window", "phase", "expected"),
    [
        (1, 50, FetchPhase.QUERY, Why.FEW_HITS),
        (0, 50, FetchPhase.QUERY, Why.FEW_HITS),
        (2, 50, FetchPhase.QUERY, None),
        (1, 50, FetchPhase.WINDOW, None),
        # Beyond the window, the score of the only hit must be lower than those of the window.
        (1, 0, FetchPhase.QUERY, None),
    ],
)
def test_a_window_of_one_hit_needs_no_fetch_phase(
    count: int, window: int, phase: FetchPhase, expected: Why | None
) -> None:
    plan = a_plan(window=window, fetch=FetchSpec(phase, 0, 50))
    assert unusable(read(answer(count)), plan) is expected
