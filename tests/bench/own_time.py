"""Measures what es-rerank adds to a search: `make bench`, or `python -m tests.bench.own_time [--json FILE]`.

All cases run in one loop, one search of each case after the other, so that all see the same machine: an engine alone,
es-rerank in front of it with several profiles and a rerank server that answers after 5 ms, repeated searches, and
requests with many searches. Only the ratios and differences within a run can be compared with those of another run.

es-rerank may load a real tokenizer, by default that of the demo's model, multilingual-e5. Caches are switched off
except for the repeated searches. The processor time of each endpoint is measured beside the time that a client waits,
because it depends less on what else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiohttp
import psutil

from es_rerank_lab.parts.weights import e5_folder
from tests.bench.load import ENGINES, INDEX, WORDS
from tests.bench.serving import started
from tests.live.endpoint import Endpoint, start_endpoint

MODEL_MS = 5.0
HIT_WORDS = 330  # about 2 KB
WINDOW, PAGE, SEARCHES = 50, 10, 10
COLD = ("--score-cache-size", "0", "--cut-cache-bytes", "0")
# Scores of pairs also for embedding models, so that each search reads its documents. tests/bench/vectors.py is about
# vectors.
PAIRS = ("--backend", "vllm-rerank")
# Name, profile and flags of each endpoint.
ENDPOINTS: Mapping[str, Sequence[str]] = {
    "qwen3": ("--profile", "qwen3-reranker-0.6b", *COLD),
    "e5": ("--profile", "e5", *PAIRS, *COLD),
    "minilm": ("--profile", "minilm", *PAIRS, *COLD),
    "e5 truncated at 500 tokens": (
        *("--profile", "e5", "--long-documents", "truncate", "--max-passage-tokens", "500"),
        *PAIRS,
        *COLD,
    ),
    "cached": ("--profile", "qwen3-reranker-0.6b"),
}


@dataclass(slots=True)
class Case:
    """One kind of request: a function that sends it, and the measured times.

    `own` are the times that es-rerank itself reports in `Server-Timing`.
    """

    send: Callable[[int], Awaitable[aiohttp.ClientResponse]]
    seconds: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)


def query(number: int) -> dict[str, Any]:
    """Return a query that no other number has."""
    return {"match": {"body": f"rain {WORDS[number % len(WORDS)]} nr{number}"}}


class Client:
    """Sends searches over connections that stay open."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def search(self, url: str, size: int, *, fixed: bool = False) -> Callable[[int], Awaitable[aiohttp.ClientResponse]]:
        """Return a function that searches for something new, or with *fixed* always for the same."""

        async def send(number: int) -> aiohttp.ClientResponse:
            body = json.dumps({"query": query(0 if fixed else number), "size": size})
            return await self._post(f"{url}/{INDEX}/_search", body, "application/json")

        return send

    def msearch(self, url: str, count: int) -> Callable[[int], Awaitable[aiohttp.ClientResponse]]:
        """Return a function that sends *count* searches in one request."""

        async def send(number: int) -> aiohttp.ClientResponse:
            lines = [({"index": INDEX}, {"query": query(number * count + at), "size": PAGE}) for at in range(count)]
            body = "".join(json.dumps(line) + "\n" for pair in lines for line in pair)
            return await self._post(f"{url}/_msearch", body, "application/x-ndjson")

        return send

    def score(self, url: str, texts: Sequence[str]) -> Callable[[int], Awaitable[aiohttp.ClientResponse]]:
        """Return a function that calls the rerank server directly, with the texts of a window."""

        async def send(number: int) -> aiohttp.ClientResponse:
            body = json.dumps({"model": "stub", "text_1": f"rain nr{number}", "text_2": list(texts)})
            return await self._post(f"{url}/score", body, "application/json")

        return send

    async def _post(self, url: str, body: str, type_: str) -> aiohttp.ClientResponse:
        async with self._session.post(url, data=body, headers={"Content-Type": type_}) as answer:
            await answer.read()
            assert answer.status == 200, await answer.text()
            return answer


async def measure(cases: Mapping[str, Case], rounds: int, warm_up: int) -> None:
    """Send one request of each case after the other, *rounds* times."""
    for number in range(warm_up + rounds):
        for case in cases.values():
            began = time.perf_counter()
            answer = await case.send(number)
            if number >= warm_up:
                case.seconds.append(time.perf_counter() - began)
                case.own += own_time(answer)
        await asyncio.sleep(0.02)


def own_time(answer: aiohttp.ClientResponse) -> Iterator[float]:
    """Yield the seconds that es-rerank reports as its own; fail if it did not rerank."""
    if outcome := answer.headers.get("X-Rerank"):
        assert outcome.startswith("reranked"), outcome
        yield float(answer.headers["Server-Timing"].rpartition("dur=")[2]) / 1e3


def case_table(client: Client, engine: str, stub: str, endpoints: Mapping[str, Endpoint]) -> dict[str, Case]:
    """Return all cases, by name."""
    text = (" ".join(WORDS) + " ") * 20
    cases = {
        "engine, 10 hits": Case(client.search(engine, PAGE)),
        "engine, 50 hits": Case(client.search(engine, WINDOW)),
        "rerank server": Case(client.score(stub, [text[:2000]] * WINDOW)),
        f"engine, _msearch of {SEARCHES}": Case(client.msearch(engine, SEARCHES)),
    }
    for name, endpoint in endpoints.items():
        if name == "cached":
            cases["repeated search"] = Case(client.search(endpoint.url, PAGE, fixed=True))
        else:
            cases[f"es-rerank, {name}"] = Case(client.search(endpoint.url, PAGE))
    cases[f"es-rerank, _msearch of {SEARCHES}"] = Case(client.msearch(endpoints["qwen3"].url, SEARCHES))
    return cases


def summary(case: Case) -> dict[str, float]:
    """Return the percentiles of one case in milliseconds."""
    hundredths = quantiles(case.seconds, n=100)
    found = {"p50": median(case.seconds), "p90": hundredths[89], "p99": hundredths[98]}
    if case.own:
        found["own_p50"] = median(case.own)
    return {name: round(seconds * 1e3, 2) for name, seconds in found.items()}


def comparisons(cases: Mapping[str, Case]) -> dict[str, float]:
    """Return the figures that the targets of docs/performance.md are about, from the medians of paired searches."""

    def paired(name: str, *others: str) -> float:
        """Return the median of what a case takes more than others in the same round, in milliseconds."""
        rows = zip(cases[name].seconds, *(cases[other].seconds for other in others), strict=True)
        return 1e3 * float(median(first - sum(rest) for first, *rest in rows))

    def ratio(name: str, other: str) -> float:
        rows = zip(cases[name].seconds, cases[other].seconds, strict=True)
        return float(median(first / second for first, second in rows))

    found = {}
    for name in cases:
        if name.startswith("es-rerank, ") and "_msearch" not in name:
            found[f"{name}: ms over engine (50 hits) and rerank server"] = paired(
                name, "engine, 50 hits", "rerank server"
            )
    found["repeated search / engine, 10 hits"] = ratio("repeated search", "engine, 10 hits")
    found["repeated search / engine, 50 hits"] = ratio("repeated search", "engine, 50 hits")
    many = f"es-rerank, _msearch of {SEARCHES}"
    found[f"_msearch of {SEARCHES} / one search, es-rerank"] = ratio(many, "es-rerank, qwen3")
    found[f"_msearch of {SEARCHES} / one search, engine"] = ratio(f"engine, _msearch of {SEARCHES}", "engine, 10 hits")
    return {name: round(value, 2) for name, value in found.items()}


def machine() -> dict[str, Any]:
    """Describe the machine and what else it does."""
    return {
        "cores": psutil.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load_average": [round(value, 1) for value in os.getloadavg()],
    }


def table(report: Mapping[str, Any]) -> str:
    """Format the results as Markdown."""
    lines = ["| case | p50 ms | p90 ms | p99 ms | own time p50 ms |", "| --- | --- | --- | --- | --- |"]
    for name, row in report["cases"].items():
        lines.append(f"| {name} | {row['p50']} | {row['p90']} | {row['p99']} | {row.get('own_p50', '')} |")
    lines += ["", "| comparison | value |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in report["comparisons"].items()]
    lines += ["", "| endpoint | processor time per search, ms | resident memory, MiB |", "| --- | --- | --- |"]
    for name, row in report["endpoints"].items():
        lines.append(f"| {name} | {row['cpu_ms_per_search']} | {row['resident_mib']} |")
    return "\n".join(lines) + f"\n\nMachine: {report['machine']}, {report['rounds']} rounds.\n"


def endpoint_flags(stub: str, tokenizer: str) -> tuple[str, ...]:
    """Return the flags of all endpoints."""
    own = ("--reranker", stub, "--tokenizer", tokenizer, "--no-self-test", "--log-level", "warning")
    return (*own, "--window", str(WINDOW), "--deadline", "10s")


async def run(options: argparse.Namespace, engine: str, stub: str, endpoints: Mapping[str, Endpoint]) -> dict[str, Any]:
    """Measure all cases, and return the report."""
    timeout, before = aiohttp.ClientTimeout(total=60), machine()
    processes = {name: psutil.Process(endpoint.process.pid) for name, endpoint in endpoints.items()}
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        cases = case_table(Client(session), engine, stub, endpoints)
        await measure(cases, 0, options.rounds // 5 + 1)
        used = {name: cpu_ms(process) for name, process in processes.items()}
        await measure(cases, options.rounds, 0)
    sent = {name: options.rounds * ((1 + SEARCHES) if name == "qwen3" else 1) for name in endpoints}
    return {
        "machine": before,
        "rounds": options.rounds,
        "cases": {name: summary(case) for name, case in cases.items()},
        "comparisons": comparisons(cases),
        "endpoints": {
            name: {
                "cpu_ms_per_search": round((cpu_ms(process) - used[name]) / sent[name], 2),
                "resident_mib": round(process.memory_info().rss / 2**20, 1),
            }
            for name, process in processes.items()
        },
    }


def cpu_ms(process: psutil.Process) -> float:
    """Return the processor time of a process so far, in milliseconds."""
    times = process.cpu_times()
    return float(times.user + times.system) * 1e3


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.own_time", description=__doc__.partition(":")[0])
    parser.add_argument("--rounds", type=int, default=200, help="measured requests of each case")
    parser.add_argument("--engine", choices=ENGINES, default="opensearch", help="the engine")
    parser.add_argument("--tokenizer", help="tokenizer.json, or its folder; by default that of multilingual-e5")
    parser.add_argument("--json", type=Path, help="file for the report")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    tokenizer = options.tokenizer or str(e5_folder())
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        engine = stack.enter_context(ENGINES[options.engine](HIT_WORDS))
        stub = stack.enter_context(started("tests.bench.stub", str(MODEL_MS)))
        endpoints = {}
        for name, flags in ENDPOINTS.items():
            log = Path(folder) / f"{name}.log"
            endpoints[name] = start_endpoint(engine, log, *endpoint_flags(stub, tokenizer), *flags)
            stack.callback(endpoints[name].process.stop)
        report = asyncio.run(run(options, engine, stub, endpoints))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(report))


if __name__ == "__main__":
    main()
