"""The Prometheus metrics of one endpoint."""

from __future__ import annotations

import collections
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from es_rerank.model import Outcome, OutcomeState, Why
from es_rerank.rerank_client.client import Health, Reranker
from es_rerank.rerank_client.server_health import HealthState
from es_rerank.rerank_client.usage import STATUSES, ServerReport
from es_rerank.search.formats.endpoints import Endpoint
from es_rerank.search.order_change import Change
from es_rerank.server.metric_table import METRIC_PREFIX, METRICS, MetricRow
from es_rerank.server.process_metrics import ProcessMetrics
from es_rerank.server.timings import Durations

# The environment variable with the folder in which several workers store their metrics. Any worker exposes the sums.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_TYPES: Mapping[str, type[MetricWrapperBase]] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


class Metrics:
    """The metrics registry of one running es-rerank."""

    def __init__(self) -> None:
        """Register all metrics of `METRICS`. Series whose labels are known in advance start at zero."""
        # The series with creation times (`_created`) would double the number of series.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._metrics: dict[str, Any] = {name: self._registered(name, row) for name, row in METRICS.items()}
        self._metrics["build_info"].labels(version("es-rerank"), platform.python_version()).set(1)
        self._process = ProcessMetrics(self._registry)
        self._counted: collections.Counter[tuple[str, ...]] = collections.Counter()
        self._servers: set[str] = set()

    def _registered(self, name: str, row: MetricRow) -> MetricWrapperBase:
        """Register one metric, and return it."""
        by_kind: Mapping[str, dict[str, Any]] = {
            "counter": {},
            "gauge": {"multiprocess_mode": row.over_workers},
            "histogram": {"buckets": row.buckets},
        }
        options = by_kind[row.kind]
        metric = _TYPES[row.kind](METRIC_PREFIX + name, row.text, row.labels, registry=self._registry, **options)
        for values in row.known:
            metric.labels(*values)
        return metric

    def start_rules(self, rules: Iterable[str]) -> None:
        """Create the series of each rule for searches at `_search`, with the value 0."""
        for rule in rules:
            for outcome in (*OutcomeState, Why.SAMPLED_OUT):
                self._metrics["rule_searches_total"].labels(Endpoint.SEARCH, rule, outcome)

    def measured(self, change: Change) -> None:
        """Record how much reranking would have changed the order of a search."""
        self._metrics["shadow_overlap"].observe(change.overlap)
        self._metrics["shadow_rbo"].observe(change.rbo)
        self._metrics["shadow_top_total"].labels(str(change.top).lower()).inc()

    def not_measured(self) -> None:
        """Count a search that was not measured because too many measurements were in flight."""
        self._metrics["shadow_dropped_total"].inc()

    def passed_through(self) -> None:
        """Count a passed-through request that contains no search."""
        self._metrics["passthrough_requests_total"].inc()

    def upstream_failed(self, kind: str) -> None:
        """Count an error of the engine; *kind* is one of `UPSTREAM_ERRORS`."""
        self._metrics["upstream_errors_total"].labels(kind).inc()

    def searched(self, outcomes: Sequence[Outcome], durations: Durations, endpoint: str = Endpoint.SEARCH) -> None:
        """Record the outcomes and durations of one request; *endpoint* is the API that the client called."""
        metrics = self._metrics
        metrics["engine_duration_seconds"].observe(durations.engine)
        metrics["overhead_duration_seconds"].observe(durations.overhead)
        metrics["request_duration_seconds"].observe(durations.total)
        if any(outcome.state is OutcomeState.RERANKED for outcome in outcomes):
            metrics["rerank_duration_seconds"].observe(durations.rerank)
        for outcome in outcomes:
            self._searched(outcome, endpoint)

    def _searched(self, outcome: Outcome, endpoint: str) -> None:
        """Record the outcome of one search; *endpoint* is the API that the client called, such as `_search`."""
        metrics = self._metrics
        metrics["searches_total"].labels(outcome.state, outcome.why or "").inc()
        arm = outcome.why if outcome.why is Why.SAMPLED_OUT else outcome.state
        metrics["rule_searches_total"].labels(endpoint, outcome.rule, arm).inc()
        if outcome.state is OutcomeState.RERANKED:
            metrics["planned_documents_total"].inc(outcome.of)
            metrics["documents_total"].labels("cache").inc(outcome.cached)
            metrics["documents_total"].labels("model").inc(outcome.window - outcome.cached)
            if outcome.rank_change is not None:
                metrics["rank_change"].observe(outcome.rank_change)

    def update(self, reranker: Reranker) -> None:
        """Record the state of this worker's reranker and process, so that any worker can expose it."""
        self.update_reranker(reranker.health)
        self.update_servers(reranker.reports(), reranker.taken_waits())
        self._process.update()

    def update_reranker(self, health: Health) -> None:
        """Record the state of this worker's reranker, so that any worker can expose it."""
        self._metrics["degraded"].set(health.state == "degraded")
        self._metrics["reranker_servers_unavailable"].set(health.out)
        self._metrics["searches_in_flight"].set(health.searches)
        self._metrics["vector_cache_bytes"].set(health.vector_bytes)
        self._metrics["texts_in_flight"].set(health.texts)
        for result, count in health.shared_lookups.items():
            self._count("shared_cache_lookups_total", count, result)

    def update_servers(self, reports: Sequence[ServerReport], waits: Iterable[float]) -> None:
        """Record the state and usage of each rerank server, and the new times that requests waited, in seconds."""
        states = collections.Counter(report.state for report in reports)
        for state in HealthState:
            self._metrics["reranker_servers"].labels(state).set(states[state])
        for server in self._servers - {report.server for report in reports}:
            self._metrics["reranker_requests_in_flight"].labels(server).set(0)
        for report in reports:
            self._servers.add(report.server)
            self._metrics["reranker_requests_in_flight"].labels(report.server).set(report.in_flight)
            self._count("reranker_passages_total", report.passages, report.server)
            self._count("reranker_tokens_total", report.tokens, report.server)
            for result in STATUSES:
                self._count("reranker_requests_total", report.results.get(result, 0), report.server, result)
        for seconds in waits:
            self._metrics["queue_duration_seconds"].observe(seconds)

    def _count(self, name: str, total: int, *labels: str) -> None:
        """Increase a counter to a total that is counted elsewhere.

        If the total is lower than before, it has started again at zero, because the rerank server was added again.
        """
        before = self._counted[name, *labels]
        self._metrics[name].labels(*labels).inc(total - before if total >= before else total)
        self._counted[name, *labels] = total

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
