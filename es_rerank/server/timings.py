"""Where the time of one request went: engine, rerank, and es-rerank itself."""

from __future__ import annotations

import time
from collections.abc import Sequence

Interval = tuple[float, float]
"""Start and end of some work, in monotonic seconds."""


def union_seconds(intervals: Sequence[Interval]) -> float:
    """Return the length of the union of intervals, in seconds: overlapping work counts once."""
    total = 0.0
    reached = float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


class Timings:
    """The intervals of one request in which the engine or the model worked for it.

    Concurrent searches of the request add to the same lists; nothing else is shared between them.
    """

    def __init__(self) -> None:
        """Start the clock of the request."""
        self.started = time.monotonic()
        self._engine: list[Interval] = []
        self._rerank: list[Interval] = []

    def add_engine(self, start: float) -> float:
        """Record that an engine request was in flight from *start* until now; returns now, in monotonic seconds."""
        now = time.monotonic()
        self._engine.append((start, now))
        return now

    def add_rerank(self, start: float) -> None:
        """Record that a window was being scored from *start*, in monotonic seconds, until now."""
        self._rerank.append((start, time.monotonic()))

    @property
    def engine_seconds(self) -> float:
        """Time in which at least one engine request was in flight, in seconds."""
        return union_seconds(self._engine)

    @property
    def rerank_seconds(self) -> float:
        """Time in which at least one window was being scored, in seconds."""
        return union_seconds(self._rerank)

    def overhead_seconds(self) -> float:
        """Return es-rerank's own time until now, in seconds: all in which neither engine nor reranker worked."""
        elapsed = time.monotonic() - self.started
        return max(0.0, elapsed - union_seconds([*self._engine, *self._rerank]))

    def server_timing(self, *, in_flight_since: float | None = None) -> str:
        """Return the value of `Server-Timing`, in milliseconds.

        Args:
            in_flight_since: When an engine request was sent whose response is still being streamed, in monotonic
                seconds.

        Format: https://www.w3.org/TR/server-timing/#the-server-timing-header-field

        """
        engine = self._engine if in_flight_since is None else [*self._engine, (in_flight_since, time.monotonic())]
        overhead = max(0.0, time.monotonic() - self.started - union_seconds([*engine, *self._rerank]))
        parts = {"engine": union_seconds(engine), "rerank": self.rerank_seconds, "proxy": overhead}
        return ", ".join(f"{name};dur={seconds * 1e3:.1f}" for name, seconds in parts.items())
