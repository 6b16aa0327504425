"""What the endpoint counts, in Prometheus' words."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from es_rerank.model import Outcome
from es_rerank.rerank_client.client import Health
from es_rerank.search.order_change import Change

# With several workers each counts into files of this folder, and any of them tells the sum of all.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The registry of one endpoint."""

    def __init__(self) -> None:
        """Register every metric at zero."""
        self._registry = CollectorRegistry()
        self._searches = Counter(
            "es_rerank_searches", "Searches at planned endpoints.", ["outcome", "why"], registry=self._registry
        )
        self._passed = Counter("es_rerank_passthrough_requests", "Requests streamed through.", registry=self._registry)
        self._documents = Counter(
            "es_rerank_documents", "Documents in reranked windows.", ["from"], registry=self._registry
        )
        self._engine = Histogram(
            "es_rerank_engine_duration_seconds", "Time the engine took.", buckets=_SECONDS, registry=self._registry
        )
        self._model = Histogram(
            "es_rerank_rerank_duration_seconds", "Time reranking took.", buckets=_SECONDS, registry=self._registry
        )
        self._overlap = self._shares("overlap", "Share of the first ten hits that would have stayed among them.")
        self._rbo = self._shares("rbo", "Rank-biased overlap of both orders (p = 0.9).")
        self._tops = Counter(
            "es_rerank_shadow_top",
            "Searches whose first hit would have changed, or not.",
            ["changed"],
            registry=self._registry,
        )
        self._dropped = Counter("es_rerank_shadow_dropped", "Searches that were not measured.", registry=self._registry)
        self._degraded = self._gauge("degraded", "1 while searches cannot be reranked.", "livemax")
        self._out = self._gauge("reranker_servers_unavailable", "Rerank servers that are not asked.", "livemax")
        self._under_way = self._gauge(
            "searches_in_flight", "Searches at the rerank servers or waiting for them.", "livesum"
        )

    def _gauge(self, name: str, words: str, over_workers: Literal["livemax", "livesum"]) -> Gauge:
        """Register how something stands, and what it is over several workers."""
        return Gauge(f"es_rerank_{name}", words, registry=self._registry, multiprocess_mode=over_workers)

    def _shares(self, name: str, words: str) -> Histogram:
        """Register a measure of a change, between 0 and 1."""
        return Histogram(f"es_rerank_shadow_{name}", words, buckets=_SHARES, registry=self._registry)

    def shadowed(self, change: Change) -> None:
        """Note how much the order of a search would have changed."""
        self._overlap.observe(change.overlap)
        self._rbo.observe(change.rbo)
        self._tops.labels(str(change.top).lower()).inc()

    def shadow_dropped(self) -> None:
        """Count a search that was not measured, for too many were being measured."""
        self._dropped.inc()

    def passed(self) -> None:
        """Count a request that was streamed through."""
        self._passed.inc()

    def searched(self, outcomes: Sequence[Outcome], engine: float, rerank: float) -> None:
        """Count the searches of one request, with the seconds that engine and reranking took for all of them."""
        reranked = [outcome for outcome in outcomes if outcome.state == "reranked"]
        self._engine.observe(engine)
        if reranked:
            self._model.observe(rerank)
        for outcome in outcomes:
            self._searches.labels(outcome.state, outcome.why or "").inc()
        for outcome in reranked:
            self._documents.labels("cache").inc(outcome.cached)
            self._documents.labels("model").inc(outcome.window - outcome.cached)

    def stands(self, health: Health) -> None:
        """Note how the reranker of this worker stands; another worker may be asked for all of them."""
        self._degraded.set(health.state == "degraded")
        self._out.set(health.out)
        self._under_way.set(health.searches)

    def text(self) -> bytes:
        """Write all metrics in Prometheus' text format."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)


def forget(pid: int) -> None:
    """Leave out what a worker that died said of its state; what it counted stays counted."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]
