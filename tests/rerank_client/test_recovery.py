from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from es_rerank.model import Failed, Scored, Why
from es_rerank.rerank_client import recovery, self_test
from es_rerank.rerank_client.client import Reranker
from es_rerank.testing import FakeResponse, FakeServer, score_response, until
from tests.rerank_client.reranking import ask, reranking
from tests.rerank_client.test_server import RIGHT

OOPS = FakeResponse(b"oops", status=500)
WRONG = score_response()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(self_test, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(self_test, "_UNFIT_PAUSE_SECONDS", 0.01)


@asynccontextmanager
async def recovering(responses: list[Any], **more: Any) -> AsyncIterator[tuple[Reranker, FakeServer]]:
    """A reranker with its background tasks, whose server answers like the last of these responses."""

    def answer(seen: Any) -> FakeResponse:
        response = responses[-1]
        return response if isinstance(response, FakeResponse) else response(seen)

    async with reranking(answer, **more) as (reranker, server):
        tasks = [asyncio.create_task(work) for work in (reranker.start(), reranker.recover())]
        try:
            yield reranker, server
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_failed_server_is_probed_without_searches_until_it_answers() -> None:
    responses = [score_response()]
    async with recovering(responses) as (reranker, server):
        responses.append(OOPS)
        assert isinstance(await reranker.score(ask("a", "b")), Failed)
        await server.reached(6)
        assert reranker.health.state == "degraded"
        responses.append(score_response())
        await until(lambda: reranker.health.state == "ok")
        assert isinstance(await reranker.score(ask("a", "b")), Scored)


async def test_a_healthy_server_is_not_probed() -> None:
    async with recovering([score_response()]) as (reranker, server):
        assert isinstance(await reranker.score(ask("a", "b")), Scored)
        await asyncio.sleep(0.1)
    assert len(server.seen) == 1


async def test_a_server_is_not_probed_while_a_search_is_in_flight() -> None:
    async with recovering([OOPS]) as (reranker, server):
        await reranker.score(ask("a", "b"))
        failed = reranker._pool.servers[0]
        failed.reserve(0.0, 10)
        await until(lambda: failed.throughput.requests == 1)  # a probe may have been in flight
        asked = len(server.seen)
        await asyncio.sleep(0.1)
        assert len(server.seen) == asked
        failed.release(10)
        await server.reached(asked + 1)


async def test_a_server_whose_self_test_failed_is_tested_until_it_passes() -> None:
    responses = [WRONG]
    async with recovering(responses, self_test=True) as (reranker, _):
        await until(lambda: reranker.health.state == "degraded")
        assert reranker.health.why.startswith("self_test: ")
        responses.append(RIGHT)
        await until(lambda: reranker.health.state == "ok")


async def test_an_unreachable_server_must_pass_its_self_test_again() -> None:
    async with recovering([RIGHT], self_test=True) as (reranker, server):
        await until(lambda: reranker.health.state == "ok")
        failed = reranker._pool.servers[0]
        for _ in range(3):
            failed.health.failed(Failed(Why.UNREACHABLE, "connection refused"), 0.0)
        assert reranker.health.state == "degraded"
        asked = len(server.seen)
        await until(lambda: reranker.health.state == "ok")
    assert len(server.seen) > asked + 1
