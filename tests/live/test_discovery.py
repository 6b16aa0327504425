"""Rerank servers that are added and removed through DNS while searches arrive: a real endpoint, a real DNS server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from es_rerank.testing import FakeServer, score_response, until
from tests.bench.load import Sample
from tests.bench.serving import started
from tests.name_server import name_server

from .endpoint import start_endpoint
from .fleet import searching
from .ports import free_ports

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
FLAGS = ("--profile", "bge-reranker", "--tokenizer", "estimate", "--log-level", "warning")
# The servers that the name has in turn, by number.
CHANGES = ([0, 1, 2], [1, 2], [2], [0])
SEARCHES = 20
LIMIT_S = 5.0
KNOWN = {"tap usually": 3.0, "Canberra": 3.0, "zehn Minuten": 3.0, "省电模式": 3.0}


@asynccontextmanager
async def rerankers(port: int) -> AsyncIterator[Sequence[FakeServer]]:
    """Run a rerank server on the same port of each address, as in a headless Service."""
    fakes = [FakeServer({"/v1/score": score_response({**KNOWN, "rain": 1.0}, default=-3.0)}) for _ in HOSTS]
    runners = []
    for host, fake in zip(HOSTS, fakes, strict=True):
        runner = web.ServerRunner(web.Server(fake.handle), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        runners.append(runner)
    try:
        yield fakes
    finally:
        await asyncio.gather(*(runner.cleanup() for runner in runners))


async def in_use(servers: Sequence[FakeServer], samples: Sequence[Sample]) -> list[int]:
    """Return the numbers of the servers that get requests while the next searches are answered."""
    before, count = [len(one.seen) for one in servers], len(samples)
    await until(lambda: len(samples) > count + SEARCHES)
    return [at for at, one in enumerate(servers) if len(one.seen) > before[at]]


async def test_servers_are_used_and_left_within_seconds_and_no_search_fails(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    async with name_server(A=HOSTS[:1]) as names, rerankers(port) as servers:
        flags = ("--reranker", f"dns://vllm.test:{port}/v1", "--dns-server", names.address, *FLAGS)
        with started("tests.bench.recorded", "30") as engine:
            endpoint = await asyncio.to_thread(start_endpoint, engine, tmp_path / "endpoint.log", *flags)
            try:
                await asyncio.to_thread(endpoint.await_health, "ok")
                async with searching(endpoint.url) as samples:
                    assert await in_use(servers, samples) == [0]
                    for expected in CHANGES:
                        names.records["vllm.test", "A"] = [HOSTS[at] for at in expected]
                        async with asyncio.timeout(LIMIT_S):
                            while await in_use(servers, samples) != expected:
                                pass
            finally:
                await asyncio.to_thread(endpoint.process.stop)
    assert {(one.status, one.reranked) for one in samples} == {(200, True)}
