from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank.model import Failed, Why
from es_rerank.rerank.backends import BACKENDS, RerankCall
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder, approximate_tokens
from es_rerank.rerank_client import pool as pool_module
from es_rerank.rerank_client import server_health, throughput
from es_rerank.rerank_client.pool import ServerPool
from es_rerank.rerank_client.server import RerankServer
from es_rerank.testing import FakeResponse, FakeServer, ReceivedRequest, fake_settings, score_response, serve_fake

OOPS = FakeResponse(b"oops", status=500)


@pytest.fixture
def quick_study(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the pace of a server known from its first answer on."""
    monkeypatch.setattr(throughput, "_MIN_BUSY_SECONDS", 0.0)


def slow(seconds: float) -> Callable[[ReceivedRequest], FakeResponse]:
    return lambda seen: replace(score_response()(seen), seconds=seconds)


def question(query: str, length: int = 10) -> RerankCall:
    return RerankCall(query, ["a" * length], "some/model")


@asynccontextmanager
async def pooled(*says: Any, **more: Any) -> AsyncIterator[tuple[ServerPool, list[FakeServer]]]:
    """Servers that answer like this, and the pool of them."""
    async with AsyncExitStack() as stack:
        stack.enter_context(capture_logs())
        fakes = [await stack.enter_async_context(serve_fake(FakeServer({"/": one}))) for one in says]
        reader = PromptBuilder(BACKENDS["vllm"], PROFILES["bge-reranker"], "some/model", 10_000)
        chosen = fake_settings(**more)
        pool = ServerPool([RerankServer(chosen, fake.url, reader, lambda *_: None) for fake in fakes])
        for server in pool.servers:
            stack.push_async_callback(server.close)
        yield pool, fakes
        # Whatever happened, nobody holds a place.
        assert [(server.throughput.requests, server.throughput.tokens) for server in pool.servers] == [(0, 0)] * len(
            fakes
        )


async def ask(pool: ServerPool, call: RerankCall, deadline: float, patience: float = 0.0) -> list[float] | Failed:
    """Send a call with the tokens of its texts."""
    return await pool.ask(call, sum(map(approximate_tokens, call.texts)), deadline, patience)


def asked(fake: FakeServer) -> list[str]:
    return [seen.json["text_1"] for seen in fake.seen]


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


async def test_the_server_with_the_least_to_do_is_asked() -> None:
    async with pooled(slow(0.1), slow(0.1), reranker_max_requests=2) as (pool, fakes):
        found = await asyncio.gather(*(ask(pool, question(f"q{at}"), soon()) for at in range(4)))
    assert all(isinstance(one, list) for one in found)
    assert [len(fake.seen) for fake in fakes] == [2, 2]


async def test_where_a_server_fails_another_one_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_health, "PAUSE_SECONDS", 60.0)
    async with pooled(OOPS, score_response()) as (pool, fakes):
        for at in range(6):
            assert isinstance(await ask(pool, question(f"q{at}"), soon()), list)
    assert len(fakes[0].seen) == 3, "after three faults it is left in peace"
    assert len(fakes[1].seen) == 6


async def test_where_all_fail_the_fault_is_told() -> None:
    async with pooled(OOPS, OOPS) as (pool, fakes):
        found = await ask(pool, question("q"), soon())
    assert found == Failed(Why.RERANKER_ERROR, "HTTP 500: oops")
    assert [len(fake.seen) for fake in fakes] == [1, 1]


async def test_texts_that_are_too_long_are_so_everywhere() -> None:
    async with pooled(FakeResponse(b"input length is too long", status=400), score_response()) as (pool, fakes):
        found = await ask(pool, question("q"), soon())
    assert isinstance(found, Failed)
    assert found.why is Why.TOO_LONG
    assert asked(fakes[1]) == []


async def test_a_server_that_was_silent_does_not_take_all_the_time_again() -> None:
    async with pooled(slow(9), score_response()) as (pool, fakes):
        pool.servers[0].health.failed(Failed(Why.DEADLINE), 0.0)
        assert isinstance(await ask(pool, question("q"), soon(2.0)), list)
    assert [len(fake.seen) for fake in fakes] == [1, 1]


async def test_the_nearest_deadline_comes_first() -> None:
    async with pooled(slow(0.05), reranker_max_requests=1) as (pool, (fake,)):
        until = soon()
        await asyncio.gather(*(ask(pool, question(name), until + at) for name, at in [("x", 0), ("b", 2), ("a", 1)]))
    assert asked(fake) == ["x", "a", "b"]


async def test_no_more_tokens_than_allowed_are_at_a_server() -> None:
    async with pooled(slow(0.1), reranker_max_requests=8, reranker_max_tokens=512) as (pool, (fake,)):
        running = [asyncio.create_task(ask(pool, question(f"q{at}", length=1000), soon())) for at in range(3)]
        await fake.reached(1)
        assert len(fake.seen) == 1
        await asyncio.gather(*running)
    assert len(fake.seen) == 3


async def test_who_waits_too_long_is_told_so() -> None:
    async with pooled(slow(0.2), reranker_max_requests=1) as (pool, (fake,)):
        first = asyncio.create_task(ask(pool, question("first"), soon()))
        await asyncio.sleep(0)
        assert await ask(pool, question("second"), soon(0.05)) == Failed(Why.DEADLINE)
        await first
    assert asked(fake) == ["first"]


@pytest.mark.usefixtures("quick_study")
async def test_what_would_be_late_is_not_asked_at_all() -> None:
    async with pooled(slow(0.1), reranker_max_requests=2) as (pool, (fake,)):
        await ask(pool, question("known pace", length=350), soon())
        first = asyncio.create_task(ask(pool, question("first", length=350), soon()))
        await asyncio.sleep(0)
        # There is a place, but a hundred times the text takes a hundred times as long.
        assert await ask(pool, question("huge", length=35_000), soon(1.0)) == Failed(Why.DEADLINE)
        await first
    assert asked(fake) == ["known pace", "first"]


@pytest.mark.usefixtures("quick_study")
async def test_an_idle_server_is_tried_whatever_is_expected_of_it() -> None:
    async with pooled(slow(0.1)) as (pool, (fake,)):
        await ask(pool, question("known pace", length=350), soon())
        assert isinstance(await ask(pool, question("huge", length=35_000), soon()), list)
    assert len(fake.seen) == 2


@pytest.mark.usefixtures("quick_study")
async def test_those_who_wait_in_vain_are_let_go_to_make_room() -> None:
    async with pooled(slow(0.1), reranker_max_requests=1) as (pool, (fake,)):
        await ask(pool, question("known pace", length=350), soon())
        running = [asyncio.create_task(ask(pool, question("first", length=350), soon()))]
        await asyncio.sleep(0)
        assert not pool.drop_late()
        running += [asyncio.create_task(ask(pool, question("huge", length=35_000), soon(1.0)))]
        running += [asyncio.create_task(ask(pool, question("small", length=10), soon(30.0)))]
        await asyncio.sleep(0)
        assert pool.drop_late()
        found = await asyncio.gather(*running)
    assert [isinstance(one, list) for one in found] == [True, False, True]
    assert asked(fake) == ["known pace", "first", "small"]


@pytest.mark.usefixtures("quick_study")
async def test_what_is_ahead_is_foreseen() -> None:
    async with pooled(slow(0.1), reranker_max_requests=1) as (pool, _):
        assert pool.queue_estimate().capacity(1.0) == float("inf")
        await ask(pool, question("known pace", length=347), soon())
        assert pool.queue_estimate().wait == 0.0, "an idle server is expected to be ready"
        running = [asyncio.create_task(ask(pool, question(f"q{at}", length=347), soon())) for at in range(3)]
        await asyncio.sleep(0)
        estimate = pool.queue_estimate()
        await asyncio.gather(*running)
    assert estimate.wait == pytest.approx(300 / estimate.rate)
    assert estimate.capacity(estimate.wait) == 0.0
    assert estimate.capacity(estimate.wait + 1.0) == pytest.approx(estimate.rate)


async def test_who_goes_away_while_waiting_holds_nothing_up() -> None:
    async with pooled(slow(0.05), reranker_max_requests=1) as (pool, (fake,)):
        running = [asyncio.create_task(ask(pool, question(f"q{at}"), soon())) for at in range(4)]
        await asyncio.sleep(0.01)
        running[1].cancel()
        running[0].cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert asked(fake)[-2:] == ["q2", "q3"]


async def test_who_goes_away_just_when_its_turn_comes_gives_the_place_back() -> None:
    async with pooled(score_response(), reranker_max_requests=1) as (pool, (fake,)):
        server = pool.servers[0]
        server.take(time.monotonic(), 10)
        waiting = asyncio.create_task(ask(pool, question("gone"), soon()))
        await asyncio.sleep(0)
        server.throughput.dropped(10)
        pool._dispatch()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(await ask(pool, question("next"), soon()), list)
    assert asked(fake) == ["next"]


async def test_when_the_last_server_fails_those_who_wait_are_told_at_once() -> None:
    async with pooled(replace(OOPS, seconds=0.05), reranker_max_requests=1) as (pool, (fake,)):
        found = await asyncio.gather(*(ask(pool, question(f"q{at}"), soon()) for at in range(9)))
    assert {one.why for one in found if isinstance(one, Failed)} == {Why.RERANKER_ERROR}
    assert len(fake.seen) == 3


async def test_servers_that_nobody_has_tested_are_not_trusted() -> None:
    async with pooled(score_response(), self_test=True) as (pool, (fake,)):
        untested = Failed(Why.SELF_TEST, "the known pairs have not been scored yet")
        assert pool.failure() == untested
        assert await ask(pool, question("q"), soon()) == untested
    assert fake.seen == []


async def test_who_was_refused_by_an_idle_server_keeps_nobody_from_it() -> None:
    def picky(seen: ReceivedRequest) -> FakeResponse:
        return FakeResponse(b"no", status=400) if seen.json["text_1"] == "odd" else score_response()(seen)

    async with pooled(picky, slow(1.0), reranker_max_requests=1) as (pool, (one, other)):
        pool.servers[0].take(time.monotonic(), 1)
        busy = asyncio.create_task(ask(pool, question("busy"), soon(30)))
        await other.reached(1)
        pool.servers[0].spare(1)
        odd = asyncio.create_task(ask(pool, question("odd"), soon(10)))
        await one.reached(1)
        assert await ask(pool, question("even"), soon(30)) == [0.0]
        assert not busy.done()
        assert await odd == [0.0]
        await busy
    assert (asked(one), asked(other)) == (["odd", "even"], ["busy", "odd"])


async def test_nobody_takes_the_place_that_another_one_waits_for() -> None:
    async with pooled(OOPS, score_response(), reranker_max_requests=1) as (pool, _):
        one, other = pool.servers
        now = time.monotonic()
        other.take(now, 10)
        loop = asyncio.get_running_loop()
        jobs = [
            pool_module._QueuedRequest(now + 10, 0, 10, [one], loop.create_future()),
            pool_module._QueuedRequest(now + 20, 1, 10, [], loop.create_future()),
            pool_module._QueuedRequest(now + 30, 2, 10, [], loop.create_future()),
        ]
        pool._queue = list(jobs)
        pool._dispatch()
        assert [job.assigned.done() for job in jobs] == [False, True, False]
        assert jobs[1].assigned.result() is one
        other.spare(10)
        pool._dispatch()
        assert jobs[0].assigned.result() is other
        one.spare(10)
        pool._dispatch()
        assert jobs[2].assigned.result() is one
        one.spare(10)
        other.spare(10)


async def test_of_a_server_that_is_not_known_no_wonders_are_expected() -> None:
    async with pooled(score_response(), score_response()) as (pool, _):
        known, fresh = pool.servers
        now = time.monotonic()
        known.throughput.done_tokens, known.throughput.busy_seconds, known.throughput.busy_until = 1000.0, 2.0, now
        for _ in range(8):
            found = pool._choose(pool_module._QueuedRequest(now + 60, 0, 100, [], asyncio.Future()), now, [])
            assert isinstance(found, RerankServer)
        assert (known.throughput.requests, fresh.throughput.requests) == (4, 4)
        for server in (known, fresh):
            for _ in range(4):
                server.spare(100)


async def test_clients_in_a_hurry_teach_nothing_of_the_pace() -> None:
    async with pooled(slow(0.2)) as (pool, (fake,)):
        patient = asyncio.create_task(ask(pool, question("patient"), soon(30), 10.0))
        await fake.reached(1)
        hurried = [ask(pool, question(f"hurried {at}"), soon(0.05), 10.0) for at in range(5)]
        assert {answer.why for answer in await asyncio.gather(*hurried) if isinstance(answer, Failed)} == {Why.DEADLINE}
        learnt = pool.servers[0].throughput
        assert (learnt.done_tokens, learnt.busy_seconds) == (0.0, 0.0)
        assert isinstance(await patient, list)
        assert learnt.done_tokens > 0
