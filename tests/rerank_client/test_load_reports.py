from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from es_rerank.model import Failed, Scored, Why
from es_rerank.rerank_client import load_reports
from es_rerank.rerank_client.client import Reranker
from es_rerank.testing import FakeResponse, FakeServer, score_response, until
from tests.rerank_client.reranking import ask, reranking

QUEUE = b'vllm:num_requests_running{engine="0"} 1.0\nvllm:num_requests_waiting{engine="0"} 8.0\n'


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_reports, "_PAUSE_SECONDS", 0.01)


@asynccontextmanager
async def reporting(metrics: FakeResponse, seconds: float = 0.0) -> AsyncIterator[tuple[Reranker, FakeServer]]:
    """A reranker with its background tasks, whose server takes *seconds* for scores."""

    def answer(seen: Any) -> FakeResponse:
        return replace(score_response()(seen), seconds=seconds)

    async with reranking(answer) as (reranker, server):
        server.says["/metrics"] = metrics
        task = asyncio.create_task(reranker.recover())
        try:
            yield reranker, server
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def asked(server: FakeServer) -> int:
    return sum(seen.target == "/metrics" for seen in server.seen)


async def test_a_server_that_reports_a_queue_gets_fewer_requests() -> None:
    async with reporting(FakeResponse(QUEUE), seconds=0.3) as (reranker, server):
        search = asyncio.create_task(reranker.score(ask("a", "b")))
        await until(lambda: reranker._pool.servers[0].admission.limit == 5)
        assert isinstance(await search, Scored)
        assert asked(server) > 0


async def test_an_idle_server_is_not_asked() -> None:
    async with reporting(FakeResponse(QUEUE)) as (_, server):
        await asyncio.sleep(0.1)
        assert asked(server) == 0


@pytest.mark.parametrize("metrics", [FakeResponse(b"", status=404), FakeResponse(QUEUE, status=500), FakeResponse()])
async def test_a_server_without_these_metrics_is_seldom_asked(metrics: FakeResponse) -> None:
    async with reporting(metrics, seconds=5.0) as (reranker, server):
        search = asyncio.create_task(reranker.score(ask("a", "b")))
        await until(lambda: asked(server))
        # As long as twenty pauses between two requests to a server with these metrics.
        await asyncio.sleep(0.2)
        assert (asked(server), reranker._pool.servers[0].admission.limit) == (1, 8)
        search.cancel()


async def test_the_metrics_are_at_the_root_whatever_the_path_of_the_api() -> None:
    async with reporting(FakeResponse(QUEUE)) as (reranker, server):
        transport = reranker._pool.servers[0]._transport
        assert transport._metrics_url == f"{server.url}/metrics"


async def test_a_server_that_rejects_requests_gets_fewer() -> None:
    async with reranking(FakeResponse(b"busy", status=429)) as (reranker, _):
        found = await reranker.score(ask("a", "b"))
        assert isinstance(found, Failed)
        assert (found.why, reranker._pool.servers[0].admission.limit) == (Why.OVERLOADED, 5)


async def test_searches_queue_at_the_limit_of_the_server() -> None:
    async with reranking() as (reranker, _):
        reranker._pool.servers[0].admission.congested(0.0)
        assert reranker._queued() == -5
