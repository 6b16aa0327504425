"""The values of a load test: the load, the searches, and the order in which the two sides are searched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from es_rerank.evaluation.client import SearchTarget
from es_rerank.evaluation.values import Side

_BLOCK_SECONDS = 5.0
_BLOCK_SEARCHES = 10


@dataclass(frozen=True, slots=True)
class Load:
    """The load: either a number of clients (closed loop), or a fixed rate of searches (open loop).

    Attributes:
        seconds: Duration of the test in seconds, for both sides together.
        clients: Number of clients, each of which sends a search as soon as its previous search is answered.
        rate: Searches per second, sent whether or not earlier searches have been answered; None for a closed loop.
        max_searches: Maximum number of searches on each side.

    """

    seconds: float
    clients: int = 1
    rate: float | None = None
    max_searches: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the test in which all searches are sent to the same side. `seconds` is its planned duration."""

    side: Side
    seconds: float


def blocks(load: Load) -> Iterator[Block]:
    """Yield the blocks of a test, at least one per side. A block lasts about five seconds, longer if the rate is low.

    Two blocks of the same side follow each other (baseline, endpoint, endpoint, baseline, ...), so that a steady change
    of the machine's speed affects both sides equally.
    """
    length = max(_BLOCK_SECONDS, _BLOCK_SEARCHES / load.rate if load.rate else 0.0)
    count = 2 * max(1, round(load.seconds / length / 2))
    for number in range(count):
        yield Block(Side.ENDPOINT if number % 4 in {1, 2} else Side.BASELINE, load.seconds / count)


class Requests:
    """The searches of one side: the index to search, and the request bodies, which are sent in turn, repeatedly."""

    def __init__(self, target: SearchTarget, bodies: Sequence[bytes], limit: int) -> None:
        """Prepare at most *limit* searches of *target* with the given bodies, which start again after the last one."""
        self.target = target
        self._bodies = bodies
        self._limit = limit
        self._sent = 0

    @property
    def first(self) -> bytes:
        """The request body of the first search."""
        return self._bodies[0]

    def next_body(self) -> bytes | None:
        """Return the request body of the next search, or None if the maximum number of searches has been sent."""
        if self._sent >= self._limit:
            return None
        self._sent += 1
        return self._bodies[(self._sent - 1) % len(self._bodies)]
