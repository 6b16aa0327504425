"""es-rerank and OpenSearch's own rerank pipeline on the same real vLLM: `python -m tests.bench.peer_vllm`.

Three ways of searching the same OpenSearch take turns: its own rerank pipeline, es-rerank with the backend
`vllm-rerank` and without caches, which sends vLLM the same pairs, and es-rerank with its default settings, which keeps
the vectors of passages. Two things are compared:

- the time of a search with a new query, one search at a time;
- the throughput of several clients whose queries have a Zipf distribution, as those of real users: the query of rank r
  is sent in proportion to 1 / r.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from tests.bench.cases import PAGE, PEER, WINDOW, Client, Send
from tests.bench.peer import opensearch_with_pipeline
from tests.bench.throughput import ratio, throughput
from tests.live.endpoint import start_endpoint
from tests.live.models import Models
from tests.live.wire import ask

HIT_WORDS = 60
QUERIES = 200
PAIRS, DEFAULT = "es-rerank, vllm-rerank, no caches", "es-rerank, default settings"
FLAGS: Mapping[str, tuple[str, ...]] = {
    PAIRS: ("--backend", "vllm-rerank", "--score-cache-size", "0", "--cut-cache-bytes", "0"),
    DEFAULT: (),
}


def zipf_ranks(seed: int) -> list[int]:
    """Return the ranks, from 0, of a long sequence of queries."""
    weights = [1 / rank for rank in range(1, QUERIES + 1)]
    return random.Random(seed).choices(range(QUERIES), weights, k=100_000)


def with_zipf_mix(send: Send, ranks: list[int]) -> Send:
    """Return a function that sends the search whose rank is the next of the sequence."""

    async def sent(number: int) -> aiohttp.ClientResponse:
        return await send(ranks[number % len(ranks)])

    return sent


async def paired(sends: Mapping[str, Send], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each way for searches with new queries, after one search of each that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in sends}
    for number in range(QUERIES, QUERIES + rounds + 1):
        for name, send in sends.items():
            started = time.perf_counter()
            await send(number)
            if number > QUERIES:
                seconds[name].append(time.perf_counter() - started)
    return seconds


async def compared(urls: Mapping[str, str], peer: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure all ways, and return the report."""
    timeout, load = aiohttp.ClientTimeout(total=120), os.getloadavg()
    async with aiohttp.ClientSession(timeout=timeout) as session:
        client = Client(session)
        sends = {PEER: client.pipeline(peer), **{name: client.search(url, PAGE) for name, url in urls.items()}}
        seconds = await paired(sends, options.rounds)
        ranks = zipf_ranks(1)
        mixes = {name: with_zipf_mix(send, ranks) for name, send in sends.items()}
        rates = await throughput(mixes, options.clients, options.seconds, options.turns)
    ways = [name for name in sends if name != PEER]
    return {
        "load_average": [round(value, 1) for value in load],
        "median_ms": {name: round(1e3 * median(values), 1) for name, values in seconds.items()},
        "time / pipeline": {name: round(ratio(seconds[name], seconds[PEER]), 2) for name in ways},
        "zipf searches_per_second": {name: round(median(values), 1) for name, values in rates.items()},
        "zipf throughput / pipeline": {name: round(ratio(rates[name], rates[PEER]), 2) for name in ways},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peer_vllm", description=__doc__.partition(":")[0])
    parser.add_argument("--model", choices=("e5", "minilm"), default="minilm", help="the model")
    parser.add_argument("--rounds", type=int, default=20, help="searches of each way with a new query")
    parser.add_argument("--clients", type=int, default=4, help="clients for the throughput")
    parser.add_argument("--seconds", type=float, default=10, help="seconds of each turn for the throughput")
    parser.add_argument("--turns", type=int, default=3, help="turns of each way for the throughput")
    parser.add_argument("--json", type=Path, help="file for the report")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        models = Models(folder)
        stack.callback(models.stop)
        server = models.running(options.model).url
        model = ask(server, "GET", "/v1/models").json["data"][0]["id"]
        peer = stack.enter_context(opensearch_with_pipeline(HIT_WORDS, server, WINDOW, PAGE, model)).url
        urls = {}
        for name, flags in FLAGS.items():
            endpoint = start_endpoint(peer, folder / f"{len(urls)}.log", *models.flags(options.model), *flags)
            stack.callback(endpoint.process.stop)
            endpoint.await_health("ok")
            urls[name] = endpoint.url
        report = asyncio.run(compared(urls, peer, options))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(
        f"{json.dumps(report, indent=2)}\nThe targets are a time of at most 0.9 and 3 times the throughput.\n"
    )


if __name__ == "__main__":
    main()
