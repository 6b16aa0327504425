"""The Prometheus metrics of one endpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from es_rerank.model import Outcome, OutcomeState
from es_rerank.rerank_client.client import Health
from es_rerank.search.order_change import Change
from es_rerank.server.timings import Timings

# With several workers, each worker writes its metrics to files in this folder, and any worker exposes the sum.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_OVERHEAD_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """The metrics registry of one endpoint."""

    def __init__(self) -> None:
        """Register all metrics."""
        self._registry = CollectorRegistry()
        self._searches = self._counter(
            "searches", "Searches at known endpoints, by outcome and reason.", ["outcome", "why"]
        )
        self._passthrough = self._counter("passthrough_requests", "Requests without a search that were passed through.")
        self._documents = self._counter(
            "documents", "Documents of reranked windows, by where their scores or vectors came from.", ["from"]
        )
        self._engine = self._histogram(
            "engine_duration_seconds", "Time per request in which an engine request was in flight.", _SECONDS
        )
        self._rerank = self._histogram(
            "rerank_duration_seconds",
            "Time per request in which the reranker was scoring, if anything was reranked.",
            _SECONDS,
        )
        self._overhead = self._histogram(
            "overhead_duration_seconds", "Time per request that es-rerank itself took.", _OVERHEAD_SECONDS
        )
        self._overlap = self._histogram(
            "shadow_overlap", "Share of the engine's first ten hits that reranking would have kept there.", _SHARES
        )
        self._rbo = self._histogram("shadow_rbo", "Rank-biased overlap of both orders (p = 0.9).", _SHARES)
        self._top = self._counter(
            "shadow_top", "Measured searches, by whether their first hit would change.", ["changed"]
        )
        self._dropped = self._counter(
            "shadow_dropped", "Searches that were not measured because too many were in flight."
        )
        self._register_reranker()

    def _register_reranker(self) -> None:
        """Register the metrics of the reranker's state."""
        self._degraded = self._gauge("degraded", "1 while searches cannot be reranked.", "livemax")
        self._unavailable = self._gauge(
            "reranker_servers_unavailable", "Rerank servers that get no requests.", "livemax"
        )
        self._in_flight = self._gauge(
            "searches_in_flight", "Searches that the rerank servers are scoring, and queued searches.", "livesum"
        )
        self._vector_bytes = self._gauge("vector_cache_bytes", "Memory of the cached vectors.", "livesum")
        self._texts = self._gauge(
            "texts_in_flight", "Texts whose vectors are being computed, and queued texts, also for later.", "livesum"
        )

        self._shared = self._counter(
            "shared_cache_lookups", "Scores and vectors looked up in the shared cache, by result.", ["result"]
        )
        self._shared_counted: Mapping[str, int] = {}

    def _counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Counter:
        """Register a counter."""
        return Counter(f"es_rerank_{name}", help_text, labels, registry=self._registry)

    def _gauge(self, name: str, help_text: str, over_workers: Literal["livemax", "livesum"]) -> Gauge:
        """Register a gauge; *over_workers* is how values of several workers are combined."""
        return Gauge(f"es_rerank_{name}", help_text, registry=self._registry, multiprocess_mode=over_workers)

    def _histogram(self, name: str, help_text: str, buckets: Sequence[float]) -> Histogram:
        """Register a histogram."""
        return Histogram(f"es_rerank_{name}", help_text, buckets=buckets, registry=self._registry)

    def measured(self, change: Change) -> None:
        """Record how much reranking would have changed the order of a search."""
        self._overlap.observe(change.overlap)
        self._rbo.observe(change.rbo)
        self._top.labels(str(change.top).lower()).inc()

    def not_measured(self) -> None:
        """Count a search that was not measured because too many measurements were in flight."""
        self._dropped.inc()

    def passed_through(self) -> None:
        """Count a passed-through request that contains no search."""
        self._passthrough.inc()

    def searched(self, outcomes: Sequence[Outcome], timings: Timings) -> None:
        """Record the outcomes and timings of one request."""
        reranked = [outcome for outcome in outcomes if outcome.state is OutcomeState.RERANKED]
        self._engine.observe(timings.engine_seconds)
        self._overhead.observe(timings.overhead_seconds())
        if reranked:
            self._rerank.observe(timings.rerank_seconds)
        for outcome in outcomes:
            self._searches.labels(outcome.state, outcome.why or "").inc()
        for outcome in reranked:
            self._documents.labels("cache").inc(outcome.cached)
            self._documents.labels("model").inc(outcome.window - outcome.cached)

    def update_reranker(self, health: Health) -> None:
        """Record the state of this worker's reranker, so that any worker can expose it."""
        self._degraded.set(health.state == "degraded")
        self._unavailable.set(health.out)
        self._in_flight.set(health.searches)
        self._vector_bytes.set(health.vector_bytes)
        self._texts.set(health.texts)
        for result, count in health.shared_lookups.items():
            self._shared.labels(result).inc(count - self._shared_counted.get(result, 0))
        self._shared_counted = health.shared_lookups

    def text(self) -> bytes:
        """Return all metrics in Prometheus text format."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)


def forget(pid: int) -> None:
    """Remove the gauges of a worker process that exited; its counters are kept."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]
