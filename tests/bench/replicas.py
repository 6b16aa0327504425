"""Several endpoints and rerank servers at three times the load that the servers can handle.

`python -m tests.bench.replicas [--endpoints 4] [--servers 3 --slow --kill]`: as in `tests.bench.load`, the best
throughput is measured first, then searches arrive at three times that rate, at each endpoint in turn. The rerank
servers have a fixed throughput each. With `--slow`, the first one has a tenth of it from the start of the load; with
`--kill`, the last one is killed a third of the way through.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.bench.load import OVERLOAD, TOKENS_PER_SECOND, WINDOW, Client, Sample, reranker_flags
from tests.bench.paced import Paced, paced
from tests.bench.serving import started
from tests.live.endpoint import start_endpoint

SLOW = 0.1


@dataclass(frozen=True)
class Fleet:
    """The running endpoints, by URL, and the rerank servers."""

    urls: Sequence[str]
    servers: Sequence[Paced]


@dataclass(frozen=True)
class Measured:
    """What was measured: the best documents per second, those under load, and all searches under load."""

    best: float
    done: float
    samples: Sequence[Sample]

    @property
    def ratio(self) -> float:
        return self.done / self.best

    def late(self, deadline: float) -> int:
        return sum(one.seconds > deadline for one in self.samples)


@contextmanager
def fleet(folder: Path, options: argparse.Namespace) -> Iterator[Fleet]:
    """Run the endpoints and rerank servers, and an engine with recorded documents."""
    with ExitStack() as stack:
        engine = stack.enter_context(started("tests.bench.recorded", "60"))
        servers = [stack.enter_context(paced(options.rate)) for _ in range(options.servers)]
        flags = reranker_flags(",".join(server.url for server in servers))
        own = ("--window", str(WINDOW), "--deadline", f"{options.deadline:g}s", "--log-level", "warning")
        urls = []
        for number in range(options.endpoints):
            one = start_endpoint(engine, folder / f"{number}.log", *flags, *own, *options.flags)
            stack.callback(one.process.stop)
            urls.append(one.url)
        yield Fleet(urls, servers)


async def measured(running: Fleet, options: argparse.Namespace) -> Measured:
    """Measure the best throughput, then apply the load, in which servers become slow or are killed."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        client = Client(session, *running.urls)
        await client.best(options.best / 4)
        started_at = time.monotonic()
        best = await client.best(options.best)
        best_s = time.monotonic() - started_at
        rate = sum(one.reranked for one in best) / best_s
        disturbed = asyncio.create_task(disturb(running.servers, options))
        started_at = time.monotonic()
        samples = await client.flood(OVERLOAD * rate, options.seconds)
        flood_s = max(options.seconds, time.monotonic() - started_at)
        await disturbed
    done = sum(one.read for one in samples if one.seconds <= options.deadline) / flood_s
    return Measured(sum(one.read for one in best) / best_s, done, samples)


async def disturb(servers: Sequence[Paced], options: argparse.Namespace) -> None:
    """Make a server slow, and kill another one."""
    if options.slow:
        await servers[0].set_rate(options.rate * SLOW)
    if options.kill:
        await asyncio.sleep(options.seconds / 3)
        servers[-1].kill()


def arguments(values: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.replicas", description=__doc__.partition(":")[0])
    parser.add_argument("--endpoints", type=int, default=4, help="number of endpoints")
    parser.add_argument("--servers", type=int, default=1, help="number of rerank servers")
    parser.add_argument("--rate", type=float, default=TOKENS_PER_SECOND, help="tokens per second of each server")
    parser.add_argument("--seconds", type=float, default=30, help="duration of the load in seconds")
    parser.add_argument("--best", type=float, default=10, help="duration of the first measurement in seconds")
    parser.add_argument("--deadline", type=float, default=2, help="deadline of every search, in seconds")
    parser.add_argument("--slow", action="store_true", help="slow the first server down")
    parser.add_argument("--kill", action="store_true", help="kill the last server")
    parser.add_argument("flags", nargs="*", help="flags for the endpoints")
    return parser.parse_args(values)


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name, fleet(Path(name), options) as running:
        found = asyncio.run(measured(running, options))
    seconds = sorted(one.seconds for one in found.samples)
    statuses = {one.status for one in found.samples}
    sys.stdout.write(
        f"documents per second: best {found.best:.0f}, under load {found.done:.0f}, ratio {found.ratio:.2f}\n"
        f"{len(found.samples)} searches, status {statuses}, {found.late(options.deadline)} over the deadline, "
        f"p50 {seconds[len(seconds) // 2]:.2f} s, maximum {seconds[-1]:.2f} s\n"
    )


if __name__ == "__main__":
    main()
