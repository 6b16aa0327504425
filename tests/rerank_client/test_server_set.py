from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from es_rerank.model import Failed, Scored, Why
from es_rerank.rerank_client import discovery
from es_rerank.rerank_client.client import Readiness, Reranker
from es_rerank.rerank_client.server_health import HealthState
from es_rerank.testing import FakeResponse, FakeServer, fake_settings, score_response, serve_fake, until
from tests.name_server import NameServer, name_server
from tests.rerank_client.reranking import ask, sent

GOOD = score_response({"tap usually": 3.0, "Canberra": 3.0, "zehn Minuten": 3.0, "省电模式": 3.0}, default=-3.0)


@pytest.fixture(autouse=True)
def _frequent_lookups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look up names again soon after a change."""
    monkeypatch.setattr(discovery, "_MIN_SECONDS", 0.02)
    monkeypatch.setattr(discovery, "_RETRY_SECONDS", 0.02)


@asynccontextmanager
async def following(*fixed: FakeServer, **records: Any) -> AsyncIterator[tuple[Reranker, NameServer]]:
    """Run a reranker that follows a DNS name whose SRV records the test changes."""
    async with name_server(**records) as names:
        names.ttl = 0
        names.records |= {("here.test", "A"): ["127.0.0.1"]}
        servers = [FakeServer(url="dns://vllm.test"), *fixed]
        settings = fake_settings(reranker=servers, dns_server=names.address, self_test=True)
        reranker = Reranker(settings)
        with capture_logs():
            task = asyncio.create_task(reranker.start())
            try:
                yield reranker, names
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await reranker.close()


def service(*servers: FakeServer) -> list[str]:
    return [f"1 0 {server.url.rpartition(':')[2]} here.test." for server in servers]


def publish(names: NameServer, *servers: FakeServer) -> None:
    names.records["vllm.test", "SRV"] = service(*servers)


def states(reranker: Reranker) -> list[HealthState]:
    return [server.health.state for server in reranker._pool.servers]


async def test_servers_are_added_and_removed_while_running() -> None:
    async with serve_fake(FakeServer({"/": GOOD})) as one, serve_fake(FakeServer({"/": GOOD})) as two:
        async with following(SRV=service(one)) as (reranker, names):
            await until(lambda: states(reranker) == [HealthState.HEALTHY])
            assert isinstance(await reranker.score(ask("a")), Scored)
            publish(names, one, two)
            await until(lambda: states(reranker) == [HealthState.HEALTHY] * 2)
            publish(names, two)
            await until(lambda: [server.url for server in reranker._pool.servers] == [two.url])
            assert isinstance(await reranker.score(ask("b")), Scored)
        assert ["a"] in sent(one)
        assert ["b"] in sent(two)


async def test_a_new_server_gets_no_search_before_its_own_self_test_passes() -> None:
    bad = score_response({}, default=0.0)
    async with serve_fake(FakeServer({"/": GOOD})) as one, serve_fake(FakeServer({"/": bad})) as two:
        async with following(one, SRV=service(two)) as (reranker, _):
            await until(lambda: states(reranker) == [HealthState.HEALTHY, HealthState.UNFIT])
            for number in range(4):
                assert isinstance(await reranker.score(ask(f"hit {number}")), Scored)
            assert reranker.health.why.startswith("1 of 2 servers out: self_test")
        assert not any("hit" in text for texts in sent(two) for text in texts)


class HeldServer(FakeServer):
    """A server whose responses wait while `released` is not set. `held` is the number of those that have waited."""

    def __init__(self) -> None:
        super().__init__({"/": GOOD})
        self.held = 0
        self.released = asyncio.Event()
        self.released.set()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.held += not self.released.is_set()
        await self.released.wait()
        return await super().handle(request)


async def test_a_removed_server_finishes_what_it_has_and_is_closed_then() -> None:
    slow, other = HeldServer(), FakeServer({"/": GOOD})
    async with serve_fake(slow), serve_fake(other), following(SRV=service(slow)) as (reranker, names):
        await until(lambda: states(reranker) == [HealthState.HEALTHY])
        (leaving,) = reranker._pool.servers
        slow.released.clear()
        search = asyncio.create_task(reranker.score(ask("a", seconds=10)))
        await until(lambda: slow.held)
        publish(names, other)
        await until(lambda: [server.url for server in reranker._pool.servers] == [other.url])
        assert not search.done()
        session = leaving._transport._session
        assert session is not None
        assert not session.closed
        slow.released.set()
        assert isinstance(await search, Scored)
        await until(lambda: session.closed)


async def test_the_self_test_of_a_removed_server_is_canceled() -> None:
    hanging = FakeServer({"/": FakeResponse(b"", seconds=30)})
    other = FakeServer({"/": GOOD})
    async with serve_fake(hanging), serve_fake(other), following(SRV=service(hanging)) as (reranker, names):
        await hanging.reached(1)
        publish(names, other)
        await until(lambda: states(reranker) == [HealthState.HEALTHY])
        await until(lambda: not reranker._servers._self_tests)


async def test_a_removed_server_that_answers_again_is_not_tested() -> None:
    async with serve_fake(FakeServer({"/": GOOD})) as one, following(SRV=service(one)) as (reranker, names):
        await until(lambda: states(reranker) == [HealthState.HEALTHY])
        (server,) = reranker._pool.servers
        async with serve_fake(FakeServer({"/": GOOD})) as other:
            publish(names, other)
            await until(lambda: server not in reranker._pool.servers)
        reranker._server_returned(server, retest=True)
        assert server not in reranker._servers._self_tests


async def test_without_any_address_searches_say_why() -> None:
    async with following() as (reranker, names):
        await until(lambda: reranker.health.state is Readiness.DEGRADED)
        assert "dns://vllm.test" in reranker.health.why
        found = await reranker.score(ask("a"))
        assert found == Failed(Why.UNREACHABLE, "no rerank server has been found")
        async with serve_fake(FakeServer({"/": GOOD})) as late:
            publish(names, late)
            await until(lambda: reranker.health.state is Readiness.OK)
            assert isinstance(await reranker.score(ask("a")), Scored)


async def test_a_server_that_is_named_and_found_is_used_once_and_never_removed() -> None:
    one, two = FakeServer({"/": GOOD}), FakeServer({"/": GOOD})
    async with serve_fake(one), serve_fake(two), following(one, SRV=service(one)) as (reranker, names):
        await until(lambda: states(reranker) == [HealthState.HEALTHY])
        publish(names, two)
        await until(lambda: states(reranker) == [HealthState.HEALTHY] * 2)
        assert {server.url for server in reranker._pool.servers} == {one.url, two.url}


async def test_a_lookup_that_fails_later_does_not_remove_servers() -> None:
    async with serve_fake(FakeServer({"/": GOOD})) as one, following(SRV=service(one)) as (reranker, names):
        await until(lambda: states(reranker) == [HealthState.HEALTHY])
        publish(names)
        await until(lambda: reranker.health.why)
        assert reranker.health.state is Readiness.OK
        assert isinstance(await reranker.score(ask("a")), Scored)


async def test_servers_that_are_all_replaced_are_used_until_a_new_one_has_passed_its_self_test() -> None:
    hanging = FakeServer({"/": FakeResponse(b"", seconds=30)})
    late = FakeServer({"/": GOOD})
    async with serve_fake(FakeServer({"/": GOOD})) as old, serve_fake(hanging), serve_fake(late):
        async with following(SRV=service(old)) as (reranker, names):
            await until(lambda: states(reranker) == [HealthState.HEALTHY])
            publish(names, hanging)
            await hanging.reached(1)
            assert isinstance(await reranker.score(ask("a")), Scored)
            publish(names, hanging, late)
            await until(lambda: {server.url for server in reranker._pool.servers} == {hanging.url, late.url})
            assert isinstance(await reranker.score(ask("b")), Scored)
        assert ["a"] in sent(old)
        assert ["b"] in sent(late)


async def test_a_server_that_is_found_again_before_it_was_replaced_stays() -> None:
    hanging = FakeServer({"/": FakeResponse(b"", seconds=30)})
    old = FakeServer({"/": GOOD})
    async with serve_fake(old), serve_fake(hanging), following(SRV=service(old)) as (reranker, names):
        await until(lambda: states(reranker) == [HealthState.HEALTHY])
        (server,) = reranker._pool.servers
        publish(names, hanging)
        await hanging.reached(1)
        publish(names, old)
        await until(lambda: reranker._pool.servers == [server])
