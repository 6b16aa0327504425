"""Measures the time that one request takes in the engine, in the reranker, and in es-rerank itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

Interval = tuple[float, float]
"""Start and end of an interval, as values of `time.monotonic()`."""


def union_seconds(intervals: Sequence[Interval]) -> float:
    """Return the length of the union of intervals, in seconds; overlapping time counts once."""
    total = 0.0
    reached = float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


class Durations(NamedTuple):
    """How long a request took, in seconds.

    Attributes:
        total: Time since the start of the request.
        engine: Time in which at least one engine request was in flight.
        rerank: Time in which at least one window was being scored.
        overhead: Time in es-rerank itself: neither an engine request was in flight, nor a window was being scored.

    """

    total: float
    engine: float
    rerank: float
    overhead: float


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
            start: When the request was sent, as a value of `time.monotonic()`.

        """
        now = time.monotonic()
        self._engine.append((start, now))
        return now

    def add_rerank(self, start: float) -> None:
        """Record that a window was being scored from *start*, a value of `time.monotonic()`, until now."""
        self._rerank.append((start, time.monotonic()))

    def durations(self, *, in_flight_since: float | None = None) -> Durations:
        """Return the durations until now.

        Args:
            in_flight_since: When the engine request whose response is still being streamed was sent, as a value of
                `time.monotonic()`; None if no response is being streamed.

        """
        now = time.monotonic()
        engine = self._engine if in_flight_since is None else [*self._engine, (in_flight_since, now)]
        total = now - self.started
        waiting = union_seconds([*engine, *self._rerank])
        return Durations(total, union_seconds(engine), union_seconds(self._rerank), max(0.0, total - waiting))


def server_timing(durations: Durations) -> str:
    """Return the value of `Server-Timing`, with durations in milliseconds.

    Format: https://www.w3.org/TR/server-timing/#the-server-timing-header-field
    """
    _, engine, rerank, overhead = durations
    return f"engine;dur={engine * 1e3:.1f}, rerank;dur={rerank * 1e3:.1f}, proxy;dur={overhead * 1e3:.1f}"
