"""Measures what tracing adds to a search: `make bench-tracing`, or `python -m tests.bench.tracing [--json FILE]`.

Three endpoints, two without tracing and one with it, share a rerank server that answers after 5 ms and an engine that
returns recorded documents. The spans go to a collector in a process of its own. In each round, the same search is sent
to each endpoint, in an order that changes from round to round. The second endpoint without tracing shows by how much
two endpoints differ that do the same.

The variables of OpenTelemetry apply, as in `OTEL_TRACES_SAMPLER=parentbased_traceidratio`.
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
from dataclasses import dataclass
from pathlib import Path
from statistics import median
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
# A bit longer than the delay after which spans are exported.
EXPORT_SECONDS = 6


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


def ratio(cases: Mapping[str, Case], name: str) -> float:
    """Return the median of how many times as long a search takes as without tracing."""
    return median(one / off for one, off in zip(cases[name].seconds, cases[OFF].seconds, strict=True))


async def run(options: argparse.Namespace, running: Running) -> dict[str, Any]:
    """Measure all endpoints, and return the report."""
    before = machine()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60), auto_decompress=False) as session:
        client = Client(session)
        sends = {name: client.search(one.url, PAGE) for name, one in running.endpoints.items()}

        async def spans() -> int:
            await asyncio.sleep(EXPORT_SECONDS)
            async with session.get(f"{running.collector}/spans") as answer:
                return int(await answer.read())

        await measure({name: Case(send) for name, send in sends.items()}, range(options.rounds // 5 + 1))
        exported = await spans()
        used = {name: cpu_ms(one) for name, one in running.endpoints.items()}
        cases = {name: Case(send) for name, send in sends.items()}
        await measure(cases, range(options.rounds))
        exported = await spans() - exported
        costs = {name: (cpu_ms(one) - used[name]) / options.rounds for name, one in running.endpoints.items()}
    return {
        "machine": before,
        "rounds": options.rounds,
        "spans_per_search": round(exported / options.rounds, 2),
        "endpoints": {
            name: {
                "p50_ms": round(median(case.seconds) * 1e3, 2),
                "own_p50_ms": round(median(case.own) * 1e3, 2),
                "ratio": round(ratio(cases, name), 4),
                "cpu_ms_per_search": round(costs[name], 3),
            }
            for name, case in cases.items()
        },
    }


def table(report: Mapping[str, Any]) -> str:
    """Format the report as Markdown."""
    lines = [
        "| tracing | p50 ms | own time p50 ms | compared with off | processor time per search, ms |",
        "| --- " * 5 + "|",
    ]
    for name, row in report["endpoints"].items():
        lines.append(f"| {name} | {' | '.join(str(value) for value in row.values())} |")
    spans = f"{report['spans_per_search']} spans per search, {report['rounds']} rounds"
    return "\n".join(lines) + f"\n\n{spans}. Machine: {report['machine']}.\n"


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
    parser.add_argument("--rounds", type=int, default=1000, help="measured searches at each endpoint")
    parser.add_argument("--engine", choices=ENGINES, default="recorded", help="the engine")
    parser.add_argument("--json", type=Path, help="file for the report")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name, running_endpoints(options, Path(name)) as running:
        report = asyncio.run(run(options, running))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(report))


if __name__ == "__main__":
    main()
