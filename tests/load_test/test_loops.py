from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from es_rerank.evaluation.client import search_target, session
from es_rerank.evaluation.values import Side
from es_rerank.load_test import loops
from es_rerank.load_test.loops import LoadTest, run
from es_rerank.load_test.tally import Tally
from es_rerank.load_test.values import Load, Requests
from es_rerank.testing import FakeResponse, FakeServer, ReceivedRequest, search_response, serve_fake

FOUND = FakeResponse(search_response(("1", 1.0, "hose")))


async def outcome_of(
    load: Load, *responses: FakeResponse | Callable[[ReceivedRequest], FakeResponse], limit_s: float = 10
) -> tuple[LoadTest, list[FakeServer], list[float]]:
    """Run a test of two servers with these responses, the baseline first."""
    baseline, endpoint = (FakeServer({"": response}) for response in responses)
    progress: list[float] = []
    async with serve_fake(baseline), serve_fake(endpoint), session(timeout=limit_s) as client:
        servers = {Side.BASELINE: baseline, Side.ENDPOINT: endpoint}
        requests = {
            side: Requests(search_target(server.url, "docs", {}), [b'{"a":1}', b'{"a":2}'], load.max_searches)
            for side, server in servers.items()
        }
        test = LoadTest(load, requests, {side: Tally() for side in Side}, progress.append)
        await run(test, client)
    return test, [baseline, endpoint], progress


def most_at_once(respond: FakeResponse) -> tuple[Callable[[ReceivedRequest], FakeResponse], list[int]]:
    """Return a responder, and a list to which it adds the number of its responses that are being waited for."""
    until: list[float] = []
    counts: list[int] = []

    def answer(_request: ReceivedRequest) -> FakeResponse:
        now = time.monotonic()
        until.append(now + respond.seconds)
        counts.append(sum(end > now for end in until))
        return respond

    return answer, counts


async def test_each_client_of_a_closed_loop_has_one_search_in_flight() -> None:
    slow, counts = most_at_once(FakeResponse(FOUND.body, seconds=0.05))
    test, (baseline, endpoint), progress = await outcome_of(Load(0.5, clients=3), FOUND, slow)
    assert max(counts) == 3
    tallies = test.tallies
    assert tallies[Side.ENDPOINT].answered == len(endpoint.seen) > 3
    assert tallies[Side.BASELINE].answered == len(baseline.seen) > 3
    assert tallies[Side.ENDPOINT].busy_seconds >= 0.25
    assert tallies[Side.ENDPOINT].times.percentile(50) >= 0.05
    assert [received.json for received in baseline.seen[:3]] == [{"a": 1}, {"a": 2}, {"a": 1}]
    assert len(progress) == len(baseline.seen) + len(endpoint.seen)
    assert progress == sorted(progress)


async def test_the_throughput_is_not_above_that_of_a_server_that_answers_one_search_after_the_other() -> None:
    free_at = 0.0

    def answer(_request: ReceivedRequest) -> FakeResponse:
        nonlocal free_at
        free_at = max(free_at, time.monotonic()) + 0.1
        return FakeResponse(FOUND.body, seconds=free_at - time.monotonic())

    test, _, _ = await outcome_of(Load(0.5, clients=4), FOUND, answer)
    tally = test.tallies[Side.ENDPOINT]
    assert tally.answered / tally.busy_seconds <= 10


async def test_an_open_loop_does_not_wait_for_responses() -> None:
    slow, counts = most_at_once(FakeResponse(FOUND.body, seconds=0.2))
    test, (baseline, endpoint), _ = await outcome_of(Load(1, rate=40), FOUND, slow)
    assert (len(baseline.seen), len(endpoint.seen)) == (20, 20)
    assert max(counts) >= 4
    assert test.tallies[Side.ENDPOINT].busy_seconds >= 0.5


async def test_the_time_of_a_search_counts_from_when_it_was_due(monkeypatch: pytest.MonkeyPatch) -> None:
    # A single search in flight: the others wait, and their waiting time must not be omitted.
    monkeypatch.setattr(loops, "MAX_IN_FLIGHT", 1)
    test, _, _ = await outcome_of(Load(0.5, rate=40), FOUND, FakeResponse(FOUND.body, seconds=0.1))
    times = test.tallies[Side.ENDPOINT].times
    assert times.percentile(100) >= 0.1 * 5
    assert test.tallies[Side.ENDPOINT].answered + test.tallies[Side.ENDPOINT].unsent == 10


async def test_searches_that_could_not_be_sent_in_time_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "MAX_IN_FLIGHT", 1)
    monkeypatch.setattr(loops, "_GRACE_SECONDS", 0.0)
    test, (_, endpoint), _ = await outcome_of(Load(0.5, rate=100), FOUND, FakeResponse(FOUND.body, seconds=0.1))
    tally = test.tallies[Side.ENDPOINT]
    assert 0 < tally.answered == len(endpoint.seen)
    assert tally.unsent == 25 - tally.answered > 0


@pytest.mark.parametrize("load", [Load(60, clients=2, max_searches=5), Load(60, rate=1000, max_searches=5)])
async def test_the_number_of_searches_is_limited(load: Load) -> None:
    async with asyncio.timeout(40):
        test, (baseline, endpoint), _ = await outcome_of(load, FOUND, FOUND)
    assert (len(baseline.seen), len(endpoint.seen)) == (5, 5)
    assert test.tallies[Side.BASELINE].busy_seconds < 30


@pytest.mark.parametrize(
    ("response", "limit_s", "error"),
    [
        (FakeResponse(b'{"error":{"reason":"full"}}', 429), 20.0, "status 429: full"),
        (FakeResponse(b"x", cut_off=True), 20.0, "no response: "),
        (FakeResponse(FOUND.body, seconds=5), 0.2, "no response within the timeout"),
    ],
)
async def test_errors_are_counted_and_the_test_goes_on(response: FakeResponse, limit_s: float, error: str) -> None:
    test, (_, endpoint), _ = await outcome_of(Load(0.5, clients=2), FOUND, response, limit_s=limit_s)
    tally: Any = test.tallies[Side.ENDPOINT]
    (found,) = tally.errors
    assert found.startswith(error)
    assert "http://" not in found
    assert tally.errors[found] == len(endpoint.seen) > 1
    assert tally.times.count == (tally.sent if "timeout" in error else 0)
