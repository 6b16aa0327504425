"""Measures what tracing adds to a search: `make bench-tracing`, or `python -m tests.bench.tracing [--json FILE]`.

Three endpoints, two without tracing and one with it, share a rerank server that answers after 5 ms and an engine that
returns recorded documents. The spans go to a collector in a process of its own. In each round, the same search is sent
to each endpoint, in an order that changes from round to round. The second endpoint without tracing shows by how much
two endpoints differ that do the same.

Two processes that do the same differ by a few percent as long as they run, because of the addresses of their data.
So the endpoints are started several times.

The variables of OpenTelemetry apply, as in `OTEL_TRACES_SAMPLER=always_off make bench-tracing`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

import aiohttp

from tests.bench.cases import PAGE, Case, Client, own_time
from tests.bench.load import ENGINES
from tests.bench.own_time import COLD, HIT_WORDS, MODEL_MS, endpoint_flags, machine
from tests.bench.processes import cpu_ms
from tests.bench.serving import started
from tests.live.endpoint import Endpoint, start_endpoint

OFF, AGAIN, ON = "off", "off, second endpoint", "on"
FLAGS: Mapping[str, Sequence[str]] = {OFF: (), AGAIN: (), ON: ("--tracing",)}
WARM_UP = 40
# A bit longer than the delay after which spans are exported.
EXPORT_SECONDS = 6


@dataclass(slots=True)
class Found:
    """The measurements of one kind of endpoint: one value per search, and of `cpu_ms` one per start."""

    seconds: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    spans: int = 0


@dataclass(frozen=True, slots=True)
class Running:
    """The endpoints by name, and the URL of the collector."""

    endpoints: Mapping[str, Endpoint]
    collector: str


async def measure(cases: Mapping[str, Case], rounds: range) -> None:
    """Send the search of each round to each endpoint, first to another one in each round."""
    names = list(cases)
    for number in rounds:
        first = number % len(names)
        for name in names[first:] + names[:first]:
            began = time.perf_counter()
            answer = await cases[name].send(number)
            cases[name].seconds.append(time.perf_counter() - began)
            cases[name].own += own_time(answer)
        await asyncio.sleep(0.01)


async def run(options: argparse.Namespace, running: Running, found: Mapping[str, Found]) -> None:
    """Measure the endpoints, and add the results to *found*."""
    rounds = options.rounds
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60), auto_decompress=False) as session:
        client = Client(session)

        def cases() -> dict[str, Case]:
            return {name: Case(client.search(one.url, PAGE)) for name, one in running.endpoints.items()}

        async def spans() -> int:
            await asyncio.sleep(EXPORT_SECONDS)
            async with session.get(f"{running.collector}/spans") as answer:
                return int(await answer.read())

        await measure(cases(), range(WARM_UP))
        exported, measured = await spans(), cases()
        used = {name: cpu_ms(one) for name, one in running.endpoints.items()}
        await measure(measured, range(rounds))
        found[ON].spans += await spans() - exported
    for name, case in measured.items():
        found[name].seconds += case.seconds
        found[name].own += case.own
        found[name].cpu_ms.append((cpu_ms(running.endpoints[name]) - used[name]) / rounds)


def compared(found: Mapping[str, Found], name: str) -> dict[str, float]:
    """Return the figures of one endpoint, and its medians compared with the endpoint without tracing."""
    one, off = found[name], found[OFF]
    return {
        "p50_ms": round(median(one.seconds) * 1e3, 2),
        "own_p50_ms": round(median(one.own) * 1e3, 2),
        "ratio": round(median(a / b for a, b in zip(one.seconds, off.seconds, strict=True)), 3),
        "cpu_ms_per_search": round(mean(one.cpu_ms), 2),
        "cpu_ratio": round(mean(one.cpu_ms) / mean(off.cpu_ms), 3),
        "cpu_ms_lowest": round(min(one.cpu_ms), 2),
        "cpu_ms_highest": round(max(one.cpu_ms), 2),
    }


def report(options: argparse.Namespace, before: Mapping[str, Any], found: Mapping[str, Found]) -> dict[str, Any]:
    """Return all figures."""
    return {
        "machine": before,
        "starts": options.starts,
        "rounds": options.rounds,
        "spans_per_search": round(found[ON].spans / len(found[ON].seconds), 2),
        "endpoints": {name: compared(found, name) for name in FLAGS},
    }


def table(figures: Mapping[str, Any]) -> str:
    """Format the figures as Markdown."""
    names = ("tracing", "p50 ms", "own time p50 ms", "compared with off", "CPU time per search, ms")
    names = (*names, "compared with off", "lowest", "highest")
    lines = [f"| {' | '.join(names)} |", "| --- " * len(names) + "|"]
    for name, row in figures["endpoints"].items():
        lines.append(f"| {name} | {' | '.join(str(value) for value in row.values())} |")
    how = f"{figures['starts']} starts, {figures['rounds']} rounds each, {figures['spans_per_search']} spans per search"
    return "\n".join(lines) + f"\n\n{how}. Machine: {figures['machine']}.\n"


@contextmanager
def running_endpoints(options: argparse.Namespace, folder: Path) -> Iterator[Running]:
    """Run the engine, the rerank server, the collector and the endpoints."""
    with ExitStack() as stack:
        stub = stack.enter_context(started("tests.bench.stub", str(MODEL_MS)))
        engine = stack.enter_context(ENGINES[options.engine](HIT_WORDS))
        collector = stack.enter_context(started("tests.bench.otlp_sink"))
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector
        common = (*endpoint_flags(stub, "estimate"), "--profile", "qwen3-reranker-0.6b", *COLD)
        endpoints = {}
        for number, (name, flags) in enumerate(FLAGS.items()):
            endpoints[name] = start_endpoint(engine, folder / f"{number}.log", *common, *flags)
            stack.callback(endpoints[name].process.stop)
        yield Running(endpoints, collector)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tracing", description=__doc__.partition(":")[0])
    parser.add_argument("--starts", type=int, default=8, help="how often the endpoints are started")
    parser.add_argument("--rounds", type=int, default=150, help="measured searches at each endpoint, after each start")
    parser.add_argument("--engine", choices=ENGINES, default="recorded", help="the engine")
    parser.add_argument("--json", type=Path, help="file for the report")
    return parser.parse_args()


def main() -> None:
    options, before = arguments(), machine()
    found = {name: Found() for name in FLAGS}
    for _ in range(options.starts):
        with tempfile.TemporaryDirectory() as name, running_endpoints(options, Path(name)) as running:
            asyncio.run(run(options, running, found))
    figures = report(options, before, found)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(figures))


if __name__ == "__main__":
    main()
