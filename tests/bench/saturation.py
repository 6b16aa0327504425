"""Pairs per second of a real vLLM at saturation, directly and through es-rerank: `python -m tests.bench.saturation`.

The requests that es-rerank sends for a number of searches are recorded. Then two loads take turns on the same vLLM: the
recorded requests, as many at a time as es-rerank has in flight, and the same searches through es-rerank without caches.
So vLLM scores the same pairs on both ways.

With `--own-core`, vLLM has a processor core of its own, as a model on a GPU has its own processor. Everything else,
also the client that calls vLLM directly, shares the other cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from es_rerank.evaluation.headers import parse_outcome
from es_rerank.testing import FakeResponse, FakeServer, ReceivedRequest, serve_fake
from tests.bench.cases import PAGE, Client
from tests.bench.load import ENGINES
from tests.bench.throughput import ratio
from tests.live.endpoint import Endpoint, start_endpoint
from tests.live.models import Models

DIRECT, THROUGH = "vLLM directly", "through es-rerank"
IN_FLIGHT = 8
HIT_WORDS = 60
FLAGS = ("--backend", "vllm-rerank", "--score-cache-size", "0", "--no-self-test", "--log-level", "warning")

Pairs = Callable[[int], Awaitable[int]]
"""Sends the request with a number, and returns the number of pairs that vLLM scored for it."""


def rerank_response(received: ReceivedRequest) -> FakeResponse:
    """Answer a `/rerank` request with equal scores."""
    rows = [{"index": at, "relevance_score": 0.0} for at in range(len(received.json["documents"]))]
    return FakeResponse(json.dumps({"results": rows}).encode())


async def recorded(engine: str, log: Path, flags: Sequence[str], searches: int) -> list[bytes]:
    """Return the bodies of the requests that es-rerank sends for searches."""
    async with serve_fake(FakeServer({"": rerank_response})) as server, aiohttp.ClientSession() as session:
        endpoint = await asyncio.to_thread(start_endpoint, engine, log, *flags, *FLAGS, "--reranker", server.url)
        try:
            search = Client(session).search(endpoint.url, PAGE)
            for number in range(searches):
                await search(number)
        finally:
            endpoint.process.stop()
    return [received.body for received in server.seen if received.target == "/rerank"]


def directly(session: aiohttp.ClientSession, server: str, bodies: Sequence[bytes]) -> Pairs:
    """Return a function that sends a recorded request to vLLM."""

    async def send(number: int) -> int:
        body = bodies[number % len(bodies)]
        async with session.post(f"{server}/rerank", data=body, headers={"Content-Type": "application/json"}) as answer:
            assert answer.status == 200, await answer.text()
            return len((await answer.json())["results"])

    return send


def through(session: aiohttp.ClientSession, endpoint: Endpoint, searches: int) -> Pairs:
    """Return a function that sends one of the recorded searches through es-rerank."""
    search = Client(session).search(endpoint.url, PAGE)

    async def send(number: int) -> int:
        answer = await search(number % searches)
        return parse_outcome(answer.headers.get("X-Rerank", "")).window

    return send


async def pairs_per_second(send: Pairs, clients: int, seconds: float) -> float:
    """Return the pairs per second of a number of clients, until the last response."""
    numbers, started = count(), time.monotonic()

    async def client() -> int:
        pairs = 0
        while time.monotonic() < started + seconds:
            pairs += await send(next(numbers))
        return pairs

    pairs = await asyncio.gather(*(client() for _ in range(clients)))
    return sum(pairs) / (time.monotonic() - started)


async def compared(options: argparse.Namespace, engine: str, models: Models, folder: Path) -> dict[str, Any]:
    """Measure vLLM directly and through es-rerank in turn; return the rates and their ratio."""
    flags = models.flags(options.model)
    bodies = await recorded(engine, folder / "recorded.log", flags, options.searches)
    server = await asyncio.to_thread(models.running, options.model)
    endpoint = await asyncio.to_thread(start_endpoint, engine, folder / "endpoint.log", *flags, *FLAGS)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:
            sends = {
                DIRECT: (directly(session, server.url, bodies), IN_FLIGHT),
                THROUGH: (through(session, endpoint, options.searches), 2 * IN_FLIGHT),
            }
            for send, clients in sends.values():
                await pairs_per_second(send, clients, options.seconds / 3)
            return await _turns(options, sends)
    finally:
        endpoint.process.stop()


async def _turns(options: argparse.Namespace, sends: Mapping[str, tuple[Pairs, int]]) -> dict[str, Any]:
    """Measure both ways in turns, forwards in even rounds and backwards in odd ones."""
    rates: dict[str, list[float]] = {name: [] for name in sends}
    load = os.getloadavg()
    for turn in range(options.turns):
        for name in sends if turn % 2 == 0 else reversed(sends):
            send, clients = sends[name]
            rates[name].append(await pairs_per_second(send, clients, options.seconds))
    return {
        "model": options.model,
        "own_core": options.own_core,
        "load_average": [round(value, 1) for value in load],
        "pairs_per_second": {name: round(median(values), 1) for name, values in rates.items()},
        "ratio": round(ratio(rates[THROUGH], rates[DIRECT]), 3),
        "ratios": [round(one / other, 3) for one, other in zip(rates[THROUGH], rates[DIRECT], strict=True)],
    }


def start_on_own_core(models: Models, model: str) -> None:
    """Start the model on the last core of this process, and restrict this process to the others."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("--own-core: this process needs at least two processor cores")
    # Processes and threads inherit the cores of those that start them.
    os.sched_setaffinity(0, cores[-1:])
    models.running(model)
    os.sched_setaffinity(0, cores[:-1])


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.saturation", description=__doc__.partition(":")[0])
    parser.add_argument("--model", choices=("e5", "minilm", "qwen3"), default="minilm", help="the model")
    parser.add_argument("--engine", choices=ENGINES, default="recorded", help="the engine")
    parser.add_argument("--searches", type=int, default=40, help="different searches")
    parser.add_argument("--seconds", type=float, default=15, help="seconds of each turn")
    parser.add_argument("--turns", type=int, default=5, help="turns of each way")
    parser.add_argument("--own-core", action="store_true", help="run vLLM on a core of its own")
    parser.add_argument("--json", type=Path, help="file for the report")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        models = Models(folder)
        stack.callback(models.stop)
        if options.own_core:
            start_on_own_core(models, options.model)
        engine = stack.enter_context(ENGINES[options.engine](HIT_WORDS))
        report = asyncio.run(compared(options, engine, models, folder))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{json.dumps(report, indent=2)}\nThe target is a ratio of at least 0.97.\n")


if __name__ == "__main__":
    main()
