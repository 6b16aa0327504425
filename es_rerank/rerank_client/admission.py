"""Limits the requests in flight at one rerank server, which other processes may use, too. Pure.

The limit follows additive increase, multiplicative decrease (AIMD). It grows by one after as many requests as the limit
allows have been answered. It shrinks by a factor when the server rejects a request, when a request times out, or when
the server reports that more requests wait than run. All processes see the same queue, so their limits become equal
(Chiu and Jain, 1989). Together, they keep the server busy without a long queue.

Limits that depend on response times, such as gradient algorithms, are not used. They need the response time of an idle
server, which a process cannot measure while other processes keep the server busy.

Times are arguments, as values of `time.monotonic()`.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from typing import NamedTuple

_DECREASE = 0.7
# The limit shrinks at most once in this time. Responses in this time are to requests sent before the limit shrank.
_PAUSE_SECONDS = 1.0
# The metrics of vLLM, one row for each engine of the server. See vllm/v1/metrics/loggers.py.
_ROWS = re.compile(
    rb"^vllm:(num_requests_running|num_requests_waiting|prefix_cache_queries|prefix_cache_hits)(?:_total)?"
    rb"(?:\{[^}\n]*\})? ([0-9.e+]+)\s*$",
    re.MULTILINE,
)


class LoadReport(NamedTuple):
    """The load that a server reports, which includes the requests of all its clients.

    Attributes:
        running: Number of requests that the server is processing.
        waiting: Number of requests in the server's queue.
        prefix_hit_rate: Share of all tokens since the server's start that were in its prefix cache; None if the server
            has no prefix cache.

    """

    running: float
    waiting: float
    prefix_hit_rate: float | None = None


def load_report(metrics: bytes) -> LoadReport | None:
    """Return the load in metrics of vLLM, in Prometheus text format; None if the metrics do not contain the load."""
    sums: defaultdict[bytes, float] = defaultdict(float)
    for name, value in _ROWS.findall(metrics):
        sums[name] += float(value)
    if b"num_requests_running" not in sums and b"num_requests_waiting" not in sums:
        return None
    queried = sums[b"prefix_cache_queries"]
    hit_rate = sums[b"prefix_cache_hits"] / queried if queried else None
    return LoadReport(sums[b"num_requests_running"], sums[b"num_requests_waiting"], hit_rate)


class Admission:
    """The limit of requests in flight at one server.

    `report` is the last load report of the server; None if it has not sent a report.
    """

    def __init__(self, max_requests: int) -> None:
        """Start with the limit *max_requests*, which is also the highest limit."""
        self._max = float(max_requests)
        self._limit = self._max
        self._is_queueing = False
        self._decreased_at = -math.inf
        self.report: LoadReport | None = None

    def __repr__(self) -> str:
        return f"<Admission {self.limit} of {self._max:.0f}{', requests wait at the server' * self._is_queueing}>"

    @property
    def limit(self) -> int:
        """Maximum number of requests in flight, at least 1."""
        return int(self._limit)

    def answered(self, in_flight: int) -> None:
        """Record an answer that arrived while *in_flight* requests were in flight.

        The limit grows only if *in_flight* has reached it.
        """
        if in_flight >= self.limit and not self._is_queueing:
            self._limit = min(self._max, self._limit + 1 / self._limit)

    def congested(self, now: float) -> None:
        """Lower the limit after a rejection or a timeout at time *now*."""
        if now - self._decreased_at >= _PAUSE_SECONDS:
            self._limit, self._decreased_at = max(1.0, self._limit * _DECREASE), now

    def reported(self, report: LoadReport, now: float) -> None:
        """Store a load report that was received at time *now*. Lower the limit if more requests wait than run."""
        self.report = report
        self._is_queueing = report.waiting > report.running
        if self._is_queueing:
            self.congested(now)
