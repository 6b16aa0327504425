"""Measures what es-rerank adds to a search: `make bench`, or `python -m tests.bench.own_time [--json FILE]`.

All cases take turns in one loop, so that all see the same machine: an engine alone, es-rerank in front of it with
several profiles and a rerank server that answers after 5 ms, repeated searches, and requests with many searches. A turn
has several searches, one after the other. The first one is not counted, because the processes of the other cases have
used the processor's caches since. Then the throughput is measured, also in turns. Only the ratios and differences
within a run can be compared with those of another run.

es-rerank may load a real tokenizer, by default that of the demo's model, multilingual-e5. Caches are switched off
except for the repeated searches. The processor time of each endpoint is measured beside the time that a client waits,
because it depends less on what else the machine does.

Peers: nginx in front of the same engine, if it is installed, and with `--peer` OpenSearch's own rerank pipeline.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import psutil

from es_rerank_lab.parts.weights import e5_folder
from tests.bench.cases import (
    ENGINE_WINDOW,
    NGINX,
    PAGE,
    PEER,
    REPEATED,
    RERANKED,
    SEARCHES,
    WINDOW,
    Case,
    Client,
    Servers,
    case_table,
    comparisons,
    own_time,
    summary,
)
from tests.bench.load import ENGINES
from tests.bench.peer import opensearch_with_pipeline
from tests.bench.processes import cpu_ms, resident_mib
from tests.bench.proxies import nginx_url
from tests.bench.serving import started
from tests.bench.throughput import ratio, throughput
from tests.live.endpoint import Endpoint, start_endpoint

MODEL_MS = 5.0
# Searches of a turn that are counted.
TURN = 4
HIT_WORDS = 330  # about 2 KB
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
    # The cache is full after 800 searches, so that memory after 1,000 searches does not grow with it.
    "cached": ("--profile", "qwen3-reranker-0.6b", "--score-cache-size", "40000"),
    "_msearch": ("--profile", "qwen3-reranker-0.6b", *COLD),
}
TWO_WORKERS = "es-rerank, qwen3, two workers"
# Searches after which the memory is measured: caches and the allocator have settled at the first number.
MEMORY_AFTER = (1_000, 10_000)
MEMORY_CLIENTS = 8
WARM_UP_CLIENTS = 4


async def measure(cases: Mapping[str, Case], rounds: int, warm_up: int) -> None:
    """Run the cases in turn, for *warm_up* rounds that are not counted and *rounds* rounds that are."""
    numbers = count()
    for number in range(warm_up + rounds):
        for case in cases.values():
            await case.send(next(numbers))
            for _ in range(TURN):
                began = time.perf_counter()
                answer = await case.send(next(numbers))
                if number >= warm_up:
                    case.seconds.append(time.perf_counter() - began)
                    case.own += own_time(answer)
        await asyncio.sleep(0.02)


async def rates(
    client: Client, cases: Mapping[str, Case], two: Endpoint, options: argparse.Namespace
) -> dict[str, Any]:
    """Measure the throughput of the engine, the peers and es-rerank, with one worker and with two."""
    names = (ENGINE_WINDOW, NGINX, PEER, RERANKED, REPEATED)
    sends = {name: cases[name].send for name in names if name in cases}
    sends[TWO_WORKERS] = client.search(two.url, PAGE)
    found = await throughput(sends, options.clients, options.seconds, options.turns)
    pairs = ((RERANKED, PEER), (RERANKED, ENGINE_WINDOW), (TWO_WORKERS, RERANKED), (NGINX, ENGINE_WINDOW))
    return {
        "clients": options.clients,
        "searches_per_second": {name: round(median(values), 1) for name, values in found.items()},
        "ratios": {
            f"{one} / {other}": round(ratio(found[one], found[other]), 2)
            for one, other in pairs
            if {one, other} <= found.keys()
        },
    }


async def memory(client: Client, endpoint: Endpoint) -> dict[str, float]:
    """Return the resident memory of an endpoint with default caches after 1,000 and after 10,000 searches, in MiB."""
    send, found, numbers = client.search(endpoint.url, PAGE), {}, iter(range(MEMORY_AFTER[-1]))

    async def some(until: int) -> None:
        for number in numbers:
            await send(number)
            if number >= until - MEMORY_CLIENTS:
                return

    for after in MEMORY_AFTER:
        await asyncio.gather(*(some(after) for _ in range(MEMORY_CLIENTS)))
        found[f"after {after} searches"] = round(resident_mib(endpoint), 1)
    return found


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
    shown = ("p50", "p90", "p99", "p99.9", "max")
    lines = [f"| case | {' | '.join(f'{name} ms' for name in shown)} | own time p50 ms |", "| --- " * 7 + "|"]
    for name, row in report["cases"].items():
        lines.append(f"| {name} | {' | '.join(str(row[one]) for one in shown)} | {row.get('own_p50', '')} |")
    rate = report["throughput"]
    for title, values in (
        ("comparison | value", report["comparisons"]),
        (f"{rate['clients']} clients | searches/s", rate["searches_per_second"]),
        ("throughput | ratio", rate["ratios"]),
        ("resident memory | MiB", report["memory_mib"]),
    ):
        if values:
            lines += ["", f"| {title} |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in values.items())]
    lines += ["", "| endpoint | CPU time per search, ms | resident memory, MiB |", "| --- | --- | --- |"]
    for name, row in report["endpoints"].items():
        lines.append(f"| {name} | {row['cpu_ms_per_search']} | {row['resident_mib']} |")
    return "\n".join(lines) + f"\n\nMachine: {report['machine']}, {report['rounds']} rounds.\n"


def endpoint_flags(stub: str, tokenizer: str) -> tuple[str, ...]:
    """Return the flags of all endpoints."""
    own = ("--reranker", stub, "--tokenizer", tokenizer, "--no-self-test", "--log-level", "warning")
    return (*own, "--window", str(WINDOW), "--deadline", "10s")


async def run(options: argparse.Namespace, servers: Servers, endpoints: Mapping[str, Endpoint]) -> dict[str, Any]:
    """Measure all cases, and return the report."""
    timeout, before = aiohttp.ClientTimeout(total=60), machine()
    listed = {name: endpoints[name] for name in ENDPOINTS}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False, connector=connector) as session:
        client = Client(session)
        cases = case_table(client, servers)
        compiled = {name: cases[name].send for name in (ENGINE_WINDOW, PEER) if name in cases}
        await throughput(compiled, WARM_UP_CLIENTS, options.warm_up, 1)
        await measure(cases, 0, options.rounds // 5 + 1)
        used = {name: cpu_ms(endpoint) for name, endpoint in listed.items()}
        await measure(cases, options.rounds, 0)
        sent = {name: options.rounds * (TURN + 1) * (SEARCHES if name == "_msearch" else 1) for name in listed}
        costs = {
            name: {
                "cpu_ms_per_search": round((cpu_ms(endpoint) - used[name]) / sent[name], 2),
                "resident_mib": round(resident_mib(endpoint), 1),
            }
            for name, endpoint in listed.items()
        }
        rate = await rates(client, cases, endpoints[TWO_WORKERS], options)
        held = await memory(client, endpoints["cached"]) if options.memory else {}
    return {
        "machine": before,
        "rounds": options.rounds,
        "cases": {name: summary(case) for name, case in cases.items()},
        "comparisons": comparisons(cases),
        "throughput": rate,
        "memory_mib": held,
        "endpoints": costs,
    }


@contextmanager
def running(options: argparse.Namespace, folder: Path) -> Iterator[tuple[Servers, dict[str, Endpoint]]]:
    """Run the engine, the rerank server, the peers and all endpoints."""
    tokenizer, endpoints = options.tokenizer or str(e5_folder()), {}
    with ExitStack() as stack:
        stub, peer = stack.enter_context(started("tests.bench.stub", str(MODEL_MS))), ""
        if options.peer:
            found = stack.enter_context(opensearch_with_pipeline(HIT_WORDS, stub, WINDOW, PAGE))
            sys.stderr.write(f"OpenSearch with the rerank pipeline started in {found.start_seconds:.0f} s\n")
            engine = peer = found.url
        else:
            engine = stack.enter_context(ENGINES[options.engine](HIT_WORDS))
        for name, flags in {**ENDPOINTS, TWO_WORKERS: (*ENDPOINTS["qwen3"], "--workers", "2")}.items():
            endpoints[name] = start_endpoint(engine, folder / f"{name}.log", *endpoint_flags(stub, tokenizer), *flags)
            stack.callback(endpoints[name].process.stop)
        nginx = stack.enter_context(nginx_url(engine, folder / "nginx")) if shutil.which("nginx") else ""
        urls = {name: endpoints[name].url for name in ENDPOINTS}
        yield Servers(engine, stub, urls, nginx, peer), endpoints


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.own_time", description=__doc__.partition(":")[0])
    parser.add_argument("--rounds", type=int, default=50, help="turns of each case, with 4 counted searches each")
    parser.add_argument(
        "--warm-up", type=float, default=15, help="seconds of searches for the engine and the peer, which Java compiles"
    )
    parser.add_argument("--clients", type=int, default=16, help="clients for the throughput")
    parser.add_argument("--seconds", type=float, default=3, help="seconds of each turn for the throughput")
    parser.add_argument("--turns", type=int, default=5, help="turns of each case for the throughput")
    parser.add_argument("--engine", choices=ENGINES, default="opensearch", help="the engine")
    parser.add_argument("--peer", action="store_true", help="use an OpenSearch with its own rerank pipeline")
    parser.add_argument("--memory", action="store_true", help="measure memory after 1,000 and 10,000 searches")
    parser.add_argument("--tokenizer", help="tokenizer.json, or its folder; by default that of multilingual-e5")
    parser.add_argument("--json", type=Path, help="file for the report")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name:
        # nginx drops its privileges.
        folder = Path(name)
        folder.chmod(0o755)
        with running(options, folder) as (servers, endpoints):
            report = asyncio.run(run(options, servers, endpoints))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(report))


if __name__ == "__main__":
    main()
