"""Load test at three times the throughput of the model: `python -m tests.bench.load [--vllm] [-- FLAGS]`.

First the best throughput is measured, with enough concurrent searches to keep the model busy, each followed by the
next. Then searches arrive at three times that rate, whether or not earlier ones have been answered. Both run against
the same real OpenSearch, or against an engine that returns recorded documents (`--engine recorded`). The rerank server
has a fixed throughput and does not compete for the processor; with `--vllm` it is a real vLLM, which does, and with
`--reranker` any other. FLAGS are passed to the endpoint, as in `-- --reranker-max-requests 16`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import aiohttp
import psutil

from es_rerank_lab.parts.engines import start_engine
from tests.bench.serving import started
from tests.live.endpoint import Endpoint, start_endpoint
from tests.live.models import Models
from tests.live.wire import fill

INDEX = "load"
WORDS = (
    *("rain", "wind", "storm", "coast", "harbour", "fog", "frost", "thunder"),
    *("hail", "cloud", "tide", "snow", "river", "valley", "ridge", "meadow"),
)
DOCUMENT_WORDS = 60
DOCUMENTS = 400


def document(number: int, length: int = DOCUMENT_WORDS) -> dict[str, str]:
    """Return one of many documents that differ in the frequency of each word."""
    words = " ".join(WORDS[(number * step + number // 3) % len(WORDS)] for step in range(1, length))
    return {"body": f"Report number {number}: {words}"}


TOKENS_PER_SECOND = 50_000.0
WINDOW = 50
IN_FLIGHT = 8
OVERLOAD = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One search: its number, status, seconds since it was due, and outcome."""

    number: int
    status: int
    seconds: float
    outcome: str

    @property
    def reranked(self) -> bool:
        return self.outcome.startswith("reranked")

    @property
    def read(self) -> int:
        """The number of documents that the model read for it."""
        return int(self.outcome.partition("window=")[2].partition(";")[0]) if self.reranked else 0


class Client:
    """Searches at each URL in turn, each with different words, so that no score is cached."""

    def __init__(self, session: aiohttp.ClientSession, *urls: str) -> None:
        self._session = session
        self._urls = [f"{url}/{INDEX}/_search" for url in urls]
        self._number = 0

    async def search(self, due: float) -> Sample:
        self._number += 1
        number = self._number
        body = json.dumps({"query": {"match": {"body": f"rain {WORDS[number % len(WORDS)]} nr{number}"}}, "size": 10})
        url = self._urls[number % len(self._urls)]
        async with self._session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
            await answer.read()
            return Sample(number, answer.status, time.monotonic() - due, answer.headers.get("X-Rerank", ""))

    async def best(self, seconds: float) -> list[Sample]:
        """Keep the model busy."""
        until = time.monotonic() + seconds

        async def samples() -> AsyncIterator[Sample]:
            while (now := time.monotonic()) < until:
                yield await self.search(now)

        async def collected() -> list[Sample]:
            return [sample async for sample in samples()]

        return [one for found in await asyncio.gather(*(collected() for _ in range(IN_FLIGHT))) for one in found]

    async def flood(self, rate: float, seconds: float) -> list[Sample]:
        """Search at a fixed rate, whether or not earlier searches have been answered."""
        started_at, running = time.monotonic(), []
        for number in range(int(rate * seconds)):
            due = started_at + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            running.append(asyncio.create_task(self.search(due)))
        return await asyncio.gather(*running)


@contextmanager
def real_engine(words: int) -> Iterator[str]:
    """Run OpenSearch with the documents, and yield its URL."""
    with start_engine("opensearch") as engine:
        documents = {f"d{number}": document(number, words) for number in range(DOCUMENTS)}
        fill(engine.url, INDEX, {"properties": {"body": {"type": "text"}}}, documents)
        yield engine.url


ENGINES: Mapping[str, Callable[[int], AbstractContextManager[str]]] = {
    "opensearch": real_engine,
    "recorded": lambda words: started("tests.bench.recorded", str(words)),
}


def reranker_flags(url: str) -> list[str]:
    """Return the endpoint's flags for a rerank server with meaningless scores."""
    return ["--reranker", url, "--profile", "bge-reranker", "--tokenizer", "estimate", "--no-self-test"]


@contextmanager
def real_vllm(folder: Path) -> Iterator[list[str]]:
    """Run vLLM with MiniLM, and yield the endpoint's flags for it."""
    models = Models(folder)
    try:
        models.running("minilm")
        yield models.flags("minilm")
    finally:
        models.stop()


@contextmanager
def model(options: argparse.Namespace, folder: Path) -> Iterator[list[str]]:
    """Run the selected model, and yield the endpoint's flags for it."""
    if options.vllm:
        with real_vllm(folder) as flags:
            yield flags
    elif options.reranker:
        yield reranker_flags(options.reranker)
    else:
        with started("tests.bench.paced", str(options.rate)) as url:
            yield reranker_flags(url)


def resident(endpoint: Endpoint) -> float:
    """Return the endpoint's resident memory in MiB."""
    return psutil.Process(endpoint.process.pid).memory_info().rss / 2**20


def table(best: Sequence[Sample], best_s: float, flood: Sequence[Sample], flood_s: float, deadline: float) -> str:
    """Format the results."""
    took = quantiles([one.seconds for one in flood], n=100)
    late = sum(one.seconds > deadline for one in flood)
    outcomes = Counter(one.outcome.partition("; model")[0].partition("; cached")[0] for one in flood)
    rows = [("reranked searches per second", "reranked"), ("documents per second", "read")]
    lines = []
    for words, name in rows:
        able = sum(getattr(one, name) for one in best) / best_s
        done = sum(getattr(one, name) for one in flood if one.seconds <= deadline) / flood_s
        lines.append(f"{words:30} best {able:7.1f}   under load {done:7.1f}   ratio {done / able:.2f}")
    statuses = dict(Counter(one.status for one in flood))
    lines.append(f"{len(flood)} searches: status {statuses}, {late} over the deadline of {deadline:g} s;")
    last = max(one.seconds for one in flood)
    lines.append(f"response time: p50 {took[49]:.2f} s, p99 {took[98]:.2f} s, maximum {last:.2f} s")
    lines += [f"  {count:6} {outcome}" for outcome, count in outcomes.most_common()]
    return "\n".join(lines)


async def measured(endpoint: Endpoint, options: argparse.Namespace) -> str:
    """Measure the best throughput, then apply the load."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        client = Client(session, endpoint.url)
        await client.best(options.best / 4)
        started_at = time.monotonic()
        best = await client.best(options.best)
        best_s = time.monotonic() - started_at
        rate = sum(one.reranked for one in best) / best_s
        before = resident(endpoint)
        started_at = time.monotonic()
        flood = await client.flood(OVERLOAD * rate, options.seconds)
        flood_s = max(options.seconds, time.monotonic() - started_at)
        during = resident(endpoint)
        again = await client.best(options.best)
    after = resident(endpoint)
    memory = f"resident memory: {before:.1f} MiB before, {during:.1f} at the end, {after:.1f} after {len(again)} more"
    return f"{table(best, best_s, flood, flood_s, options.deadline)}\n{memory}\n"


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load", description=__doc__.partition(":")[0])
    parser.add_argument("--seconds", type=float, default=60, help="duration of the load in seconds")
    parser.add_argument(
        "--best", type=float, default=20, help="duration of the measurement of the best throughput, in seconds"
    )
    parser.add_argument("--deadline", type=float, default=2, help="deadline of every search, in seconds")
    parser.add_argument(
        "--rate",
        type=float,
        default=TOKENS_PER_SECOND,
        help="throughput of the server with a fixed throughput, in tokens per second",
    )
    parser.add_argument("--words", type=int, default=DOCUMENT_WORDS, help="words per document")
    parser.add_argument("--engine", choices=ENGINES, default="opensearch", help="the engine")
    server = parser.add_mutually_exclusive_group()
    server.add_argument("--vllm", action="store_true", help="use a real vLLM with a small model")
    server.add_argument("--reranker", help="use the rerank server at this URL")
    parser.add_argument("flags", nargs="*", help="flags for the endpoint")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name, ENGINES[options.engine](options.words) as engine:
        folder = Path(name)
        with model(options, folder) as flags:
            own = ("--window", str(WINDOW), "--deadline", f"{options.deadline:g}s", "--log-level", "warning")
            endpoint = start_endpoint(engine, folder / "endpoint.log", *flags, *own, *options.flags)
            try:
                if options.vllm:
                    endpoint.await_health("ok")
                sys.stdout.write(asyncio.run(measured(endpoint, options)))
            finally:
                endpoint.process.stop()


if __name__ == "__main__":
    main()
