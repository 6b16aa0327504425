"""Throughput in a closed loop: clients that search without a pause, one kind of search after the other in turns."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from statistics import median

from tests.bench.cases import Send

# Beyond the numbers of the searches that are measured one at a time.
_FIRST_NUMBER = 1_000_000


async def throughput(sends: Mapping[str, Send], clients: int, seconds: float, rounds: int) -> dict[str, list[float]]:
    """Return the searches per second of each case, one value for each round.

    Within a round, the cases take turns, forwards in even rounds and backwards in odd ones.
    """
    numbers = count(_FIRST_NUMBER)
    found: defaultdict[str, list[float]] = defaultdict(list)
    for turn in range(rounds):
        for name in sends if turn % 2 == 0 else reversed(sends):
            found[name].append(await _rate(sends[name], numbers, clients, seconds))
    return dict(found)


async def _rate(send: Send, numbers: Iterator[int], clients: int, seconds: float) -> float:
    """Return the searches per second of a number of clients, until the last response."""
    started = time.monotonic()

    async def client() -> int:
        sent = 0
        while time.monotonic() < started + seconds:
            await send(next(numbers))
            sent += 1
        return sent

    sent = await asyncio.gather(*(client() for _ in range(clients)))
    return sum(sent) / (time.monotonic() - started)


def ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the median ratio of values of the same round."""
    return median(one / other for one, other in zip(first, second, strict=True))
