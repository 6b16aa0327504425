"""Measures the time that one request takes in the engine, in the reranker, and in es-rerank itself."""

from __future__ import annotations

import time
from collections.abc import Sequence

Interval = tuple[float, float]
"""Start and end of an interval, in monotonic seconds."""


def union_seconds(intervals: Sequence[Interval]) -> float:
    """Return the length of the union of intervals, in seconds; overlapping time counts once."""
    total = 0.0
    reached = float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


class Timings:
    """The intervals of one request in which engine requests were in flight or windows were being scored.

    Concurrent searches of a request add to the same lists.
    """

    def __init__(self) -> None:
        """Record the start time of the request."""
        self.started = time.monotonic()
        self._engine: list[Interval] = []
        self._rerank: list[Interval] = []

    def add_engine(self, start: float) -> float:
        """Record that an engine request was in flight from *start* until now; return the current time.

        Args:
            start: When the request was sent, in monotonic seconds.

        """
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

    def elapsed_seconds(self) -> float:
        """Return the time since the start of the request, in seconds."""
        return time.monotonic() - self.started

    def overhead_seconds(self) -> float:
        """Return the time spent in es-rerank itself so far, in seconds.

        Time spent waiting for the engine or the reranker is excluded.
        """
        elapsed = time.monotonic() - self.started
        return max(0.0, elapsed - union_seconds([*self._engine, *self._rerank]))

    def server_timing(self, *, in_flight_since: float | None = None) -> str:
        """Return the value of `Server-Timing`, with durations in milliseconds.

        Format: https://www.w3.org/TR/server-timing/#the-server-timing-header-field

        Args:
            in_flight_since: When an engine request was sent whose response is still being streamed, in monotonic
                seconds; None if no response is being streamed.

        """
        engine = self._engine if in_flight_since is None else [*self._engine, (in_flight_since, time.monotonic())]
        overhead = max(0.0, time.monotonic() - self.started - union_seconds([*engine, *self._rerank]))
        parts = {"engine": union_seconds(engine), "rerank": self.rerank_seconds, "proxy": overhead}
        return ", ".join(f"{name};dur={seconds * 1e3:.1f}" for name, seconds in parts.items())
