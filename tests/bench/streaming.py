"""Throughput and memory for large bodies, compared with nginx: `python -m tests.bench.streaming`.

Both proxies run in turn between the same client and the same engine, so that both halves of a pair see the same load of
the machine. nginx streams too, with its default buffers; for each body es-rerank is compared with the faster of its two
modes. With buffers of 64 and 256 KB, which few people configure, it is faster still: that is shown below the table. One
connection is served by one worker, so `worker_processes auto` is shown but makes no difference.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.proxies import DEFAULT_BUFFER_CONFIGURATIONS, NGINX, Proxy, engine, es_rerank, nginx
from tests.bench.wire import download, upload

MEGA = 1_000_000
MIN_RATIO = 0.8
MAX_EXTRA_BYTES = 32 * 2**20

Transfer = Callable[[int, int], float]


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of body: its name, its size in bytes, and the function that transfers it through a port."""

    name: str
    size: int
    transfer: Transfer


@dataclass(frozen=True, slots=True)
class Measured:
    """Megabytes per second and peak of extra memory in bytes, of one transfer."""

    speed: float
    extra: int


def rows(up: int, down: int) -> list[Row]:
    """List the kinds of bodies."""
    return [
        Row("_bulk, Content-Length", up, partial(upload, chunked=False)),
        Row("_bulk, chunked", up, partial(upload, chunked=True)),
        Row("response, Content-Length", down, partial(download, chunked=False)),
        Row("response, chunked", down, partial(download, chunked=True)),
    ]


def measured(proxy: Proxy, row: Row, size: int) -> Measured:
    """Transfer one body."""
    proxy.reset_peak()
    seconds = row.transfer(proxy.port, size)
    return Measured(size / MEGA / seconds, proxy.extra())


def compared(proxies: list[Proxy], row: Row) -> dict[Proxy, float]:
    """Transfer a shorter body through each configuration of nginx twice; return the higher throughput."""
    size = min(row.size, 256 * MEGA)
    first, second = ([measured(proxy, row, size).speed for proxy in proxies] for _ in range(2))
    return dict(zip(proxies, map(max, first, second), strict=True))


def pairs(one: Proxy, other: Proxy, row: Row, rounds: int, seconds: float) -> list[tuple[Measured, Measured]]:
    """Transfer a body through both in turn, for a number of rounds or until time is up."""
    found = []
    until = time.monotonic() + seconds
    while len(found) < rounds and (not found or time.monotonic() < until):
        found.append((measured(one, row, row.size), measured(other, row, row.size)))
    return found


def line(row: Row, reference: str, found: list[tuple[Measured, Measured]]) -> str:
    """Format one line of the table."""
    theirs, ours = zip(*found, strict=True)
    ratio = median(our.speed / their.speed for their, our in found)
    extra = max(one.extra for one in ours)
    verdict = "ok" if ratio >= MIN_RATIO and extra < MAX_EXTRA_BYTES else "MISSED"
    speeds = f"{median(one.speed for one in theirs):8.0f} {median(one.speed for one in ours):10.0f} {ratio:6.2f}"
    memory = f"{max(one.extra for one in theirs) / 2**20:7.1f} {extra / 2**20:10.1f}"
    return f"{row.name:24} {row.size / MEGA:5.0f} {speeds} {memory}  {verdict:7} {reference}\n"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.streaming", description=__doc__.partition(":")[0])
    parser.add_argument("--up", type=int, default=1000, help="megabytes of a _bulk")
    parser.add_argument("--down", type=int, default=200, help="megabytes of a response")
    parser.add_argument("--rounds", type=int, default=5, help="pairs per body")
    parser.add_argument("--seconds", type=float, default=60, help="seconds after which no further pair begins")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        port = stack.enter_context(engine())
        theirs = [stack.enter_context(nginx(name, port, folder / str(at))) for at, name in enumerate(NGINX)]
        shown = [*theirs, stack.enter_context(nginx("default buffers", port, folder / "auto", workers="auto"))]
        ours = stack.enter_context(es_rerank(port))
        sys.stdout.write(f"{'':24} {'MB':>5} {'nginx':>8} {'es-rerank':>10} {'ratio':>6}   extra MiB of both\n")
        notes = []
        for row in rows(options.up * MEGA, options.down * MEGA):
            speeds = compared(shown, row)
            reference = max(theirs[:DEFAULT_BUFFER_CONFIGURATIONS], key=lambda proxy: speeds[proxy])
            notes.append(f"  {row.name:24} " + "; ".join(f"{proxy.name} {speeds[proxy]:.0f}" for proxy in shown))
            sys.stdout.write(line(row, reference.name, pairs(reference, ours, row, options.rounds, options.seconds)))
            sys.stdout.flush()
    sys.stdout.write(
        "MB/s; the ratio is the median of the pairs. Configurations of nginx that were compared first:\n"
        + "\n".join(notes)
    )
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
