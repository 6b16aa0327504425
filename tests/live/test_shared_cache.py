"""Two endpoints that share scores through a real Redis, which is killed under load."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles

import aiohttp

from es_rerank.testing import until
from tests.bench.load import Client, Sample, reranker_flags
from tests.bench.serving import started
from tests.redis_server import Redis, redis_server

from .endpoint import Endpoint, start_endpoint
from .fleet import searching

SEARCHES, PART = 40, 120
LIMIT_S = 5.0
RATE = "2000000"


@contextmanager
def endpoints(folder: Path, redis: Redis, timeout: str = "3ms") -> Iterator[Sequence[Endpoint]]:
    """Run two endpoints with their own caches, one engine and one rerank server."""
    with started("tests.bench.recorded", "30") as engine, started("tests.bench.paced", RATE) as model:
        shared = ("--shared-cache", redis.url, "--shared-cache-timeout", timeout)
        flags = (*reranker_flags(model), *shared, "--log-level", "warning", "--window", "50")
        with ExitStack() as stack:
            found = []
            for number in range(2):
                found.append(start_endpoint(engine, folder / f"endpoint-{number}.log", *flags))
                stack.callback(found[-1].process.stop)
            yield found


async def searched(endpoint: Endpoint) -> list[Sample]:
    """Send the same searches, whichever endpoint it is, one after the other."""
    async with aiohttp.ClientSession() as session:
        client = Client(session, endpoint.url)
        return [await client.search(asyncio.get_running_loop().time()) for _ in range(SEARCHES)]


def lookups(endpoint: Endpoint) -> dict[str, float]:
    """Return the number of values looked up in the shared cache, by result."""
    lines = endpoint.page("GET", "/metrics").body.decode().splitlines()
    prefix = 'es_rerank_shared_cache_lookups_total{result="'
    rows = (line.removeprefix(prefix).split('"} ') for line in lines if line.startswith(prefix))
    return {name: float(count) for name, count in rows}


def test_the_second_endpoint_finds_what_the_first_one_scored(tmp_path: Path) -> None:
    # Not the default timeout: what is counted must not depend on what else runs on the machine.
    with redis_server(tmp_path) as redis, endpoints(tmp_path, redis, "1s") as (one, two):
        first = asyncio.run(searched(one))
        second = asyncio.run(searched(two))
    assert all(sample.reranked for sample in (*first, *second))
    cached = sum(int(sample.outcome.partition("cached=")[2].partition(";")[0]) for sample in second)
    assert cached >= 0.95 * sum(sample.read for sample in second)


def test_no_search_fails_while_redis_is_killed_and_it_is_used_again(tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis, endpoints(tmp_path, redis) as (one, two):
        seconds = asyncio.run(killed(redis, one, two))
    # The times depend on what else runs on the machine, so they are shown, not checked.
    sys.stderr.write("p99 before {:.1f} ms, after the kill {:.1f} ms\n".format(*(1000 * one for one in seconds)))


async def killed(redis: Redis, *each: Endpoint) -> tuple[float, float]:
    """Kill Redis under load and start it again. Return the 99th percentile before and after the kill, in seconds."""
    async with searching(*(one.url for one in each), at_once=2, pause=0.1) as samples:
        await until(lambda: len(samples) >= PART, 60)
        before = list(samples)
        redis.kill()
        await until(lambda: len(samples) >= len(before) + PART, 60)
        during = samples[len(before) :]
        await asyncio.to_thread(redis.start)
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*map(asked_again, each))
    assert {(one.status, one.reranked) for one in samples} == {(200, True)}
    return p99(before), p99(during)


async def asked_again(endpoint: Endpoint) -> None:
    """Wait until the shared cache is asked for more values, each of which is new."""
    before = after = (await asyncio.to_thread(lookups, endpoint)).get("miss", 0)
    while after == before:
        after = (await asyncio.to_thread(lookups, endpoint)).get("miss", 0)


def p99(samples: Sequence[Sample]) -> float:
    return quantiles([one.seconds for one in samples], n=100)[98]
