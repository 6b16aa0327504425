from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from es_rerank.model import CallOptions, FetchPhase, FetchSpec, Plan, Rule, Skip, Why
from es_rerank.server.engine_times import EngineTimes
from es_rerank.testing import FakeResponse, ReceivedRequest
from tests.server.handlers.engine import BEST, HOSE, found, msearch, page_ids, running, search

PATH = "/docs/_search"
MARKED = {**HOSE, "size": 2, "highlight": {"fields": {"body": {}}}}
ENGINES_ORDER = ["1", "2"]


class Clock:
    """Time that passes only in `taking`."""

    now = 100.0

    def __call__(self) -> float:
        return self.now

    async def taking(self, seconds: float) -> str:
        self.now += seconds
        return "reply"


def plan(phase: FetchPhase) -> Plan:
    return Plan("hose", 0, 10, FetchSpec(phase, 0, 50), 50, Rule("default", deadline=3.0), ("body",))


async def take(times: EngineTimes, clock: Clock, phase: FetchPhase, seconds: float, path: str = PATH) -> str | Skip:
    return await times.timed(path, [plan(phase)], CallOptions(arrived=clock.now), clock.taking(seconds))


async def test_two_requests_are_allowed_if_half_of_the_time_is_left_for_the_model() -> None:
    clock = Clock()
    times = EngineTimes(clock)
    assert times.allow_two(PATH, clock.now + 3)
    assert not times.allow_two(PATH, clock.now)
    assert await take(times, clock, FetchPhase.QUERY, 0.7) == "reply"
    assert [times.allow_two(PATH, clock.now + left) for left in (3.0, 2.7)] == [True, False]
    assert (times.allow_two("/other/_search", clock.now + 2.7), repr(times)) == (True, "EngineTimes(1)")


async def test_a_slow_request_counts_at_once_and_fast_ones_little_by_little() -> None:
    clock = Clock()
    times = EngineTimes(clock)
    await take(times, clock, FetchPhase.QUERY, 0.1)
    await take(times, clock, FetchPhase.FETCH, 2.0)
    allowed = []
    for _ in range(6):
        allowed.append(times.allow_two(PATH, clock.now + 3))
        await take(times, clock, FetchPhase.QUERY, 0.1)
    assert allowed == [False, False, False, False, False, True]


async def test_a_whole_window_is_an_upper_limit_but_may_take_longer_than_two_requests() -> None:
    clock = Clock()
    times = EngineTimes(clock)
    await take(times, clock, FetchPhase.WINDOW, 2.0)
    assert times.allow_two(PATH, clock.now + 3)
    await take(times, clock, FetchPhase.QUERY, 2.0)
    for _ in range(99):
        await take(times, clock, FetchPhase.WINDOW, 2.5)
    assert not times.allow_two(PATH, clock.now + 3)
    await take(times, clock, FetchPhase.WINDOW, 2.5)
    assert times.allow_two(PATH, clock.now + 3)
    await take(times, clock, FetchPhase.QUERY, 2.0)
    await take(times, clock, FetchPhase.WINDOW, 0.5)
    assert times.allow_two(PATH, clock.now + 3)


async def test_the_number_of_paths_is_bounded() -> None:
    clock = Clock()
    times = EngineTimes(clock)
    for number in range(1001):
        await take(times, clock, FetchPhase.QUERY, 2.0, str(number))
    assert [times.allow_two(str(number), clock.now + 3) for number in (0, 1)] == [True, False]


async def test_a_query_phase_that_takes_too_long_is_canceled() -> None:
    times = EngineTimes()
    canceled = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            canceled.set()

    now = asyncio.get_running_loop().time()
    late = CallOptions(arrived=now, deadline=now + 0.02)
    assert await times.timed(PATH, [plan(FetchPhase.QUERY)], late, forever()) == Skip(Why.DEADLINE)
    assert canceled.is_set()
    assert not times.allow_two(PATH, now + 0.07)
    assert times.allow_two(PATH, now + 1)


@pytest.mark.parametrize("phase", [FetchPhase.WINDOW, FetchPhase.FETCH])
async def test_a_request_that_has_the_clients_page_is_not_canceled(phase: FetchPhase) -> None:
    past = CallOptions(arrived=0.0, deadline=0.0)
    assert await EngineTimes().timed(PATH, [plan(phase)], past, asyncio.sleep(0.02, "reply")) == "reply"


def is_query_phase(body: Any) -> bool:
    return "highlight" not in body


def slow_query_phase(answer: Callable[[ReceivedRequest], FakeResponse]) -> Callable[[ReceivedRequest], FakeResponse]:
    """Respond after the deadline to requests without highlights, and at once to others."""

    def respond(seen: ReceivedRequest) -> FakeResponse:
        response = answer(seen)
        slow = is_query_phase(json.loads(seen.body.splitlines()[-1]))
        return FakeResponse(response.body, seconds=60.0 if slow else 0.0)

    return respond


async def test_after_a_slow_query_phase_the_client_gets_its_page_and_then_one_request_is_planned() -> None:
    async with running({"": slow_query_phase(search)}) as (endpoint, engine, _):
        first = await endpoint.send("POST", PATH, MARKED, {"X-Rerank-Deadline": "1s"})
        second = await endpoint.send("POST", PATH, MARKED, {"X-Rerank-Deadline": "1s"})
    assert (first.headers["X-Rerank"], first.ids) == ("skipped; why=deadline", ENGINES_ORDER)
    assert second.headers["X-Rerank"].startswith("reranked; ")
    assert second.ids == BEST[:2]
    bodies = [received.json for received in engine.seen[1:]]
    assert [is_query_phase(body) for body in bodies] == [True, False, False]
    assert bodies[1] == MARKED


async def test_after_a_slow_query_phase_of_many_searches_all_get_their_pages() -> None:
    lines = b"".join(json.dumps(line).encode() + b"\n" for line in ({"index": "docs"}, MARKED) * 2)
    kind = {"Content-Type": "application/x-ndjson", "X-Rerank-Deadline": "1s"}
    async with running({"": slow_query_phase(msearch)}) as (endpoint, engine, _):
        first = await endpoint.send("POST", "/_msearch", lines, kind)
        second = await endpoint.send("POST", "/_msearch", lines, kind)
    orders = [[[hit["_id"] for hit in one["hits"]["hits"]] for one in got.json["responses"]] for got in (first, second)]
    assert orders == [[ENGINES_ORDER] * 2, [BEST[:2]] * 2]
    assert first.headers["X-Rerank"] == ", ".join(["skipped; why=deadline"] * 2)
    queries = [is_query_phase(json.loads(received.body.splitlines()[1])) for received in engine.seen[1:]]
    assert queries == [True, False, False]


async def test_a_fetch_phase_that_was_slow_is_not_planned_again() -> None:
    def slow_page(seen: ReceivedRequest) -> FakeResponse:
        return FakeResponse(found(seen.json, seen.target), seconds=0.3 if "post_filter" in seen.json else 0.0)

    async with running({"": slow_page}) as (endpoint, engine, _):
        for _ in range(2):
            got = await endpoint.send("POST", PATH, MARKED, {"X-Rerank-Deadline": "1s"})
            assert got.ids == BEST[:2]
    assert [page_ids(received.json) if "post_filter" in received.json else None for received in engine.seen[1:]] == [
        None,
        BEST[:2],
        None,
    ]
