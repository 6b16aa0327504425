"""The table of all metrics. Their names follow the conventions of Prometheus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from es_rerank.model import OutcomeState, Why
from es_rerank.rerank_client.server_health import HealthState
from es_rerank.rerank_client.usage import STATUSES

METRIC_PREFIX = "es_rerank_"

_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_OWN_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_RANKS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
# Reasons why a search that was planned, and whose window was fetched, keeps the engine's order.
FAILURES = (
    Why.BREAKER,
    Why.DEADLINE,
    Why.OVERLOADED,
    Why.UNREACHABLE,
    Why.REFUSED,
    Why.RERANKER_ERROR,
    Why.BAD_ANSWER,
    Why.TOO_LONG,
    Why.SELF_TEST,
    Why.INTERNAL,
)
UPSTREAM_ERRORS = ("unreachable", "cut_off", "http_429", "http_5xx")


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric.

    Attributes:
        kind: The type of the metric.
        text: The description, for Prometheus and for the docs.
        labels: The names of the labels.
        known: Combinations of label values that are known in advance. Their series start with the value 0.
        buckets: The upper limits of the buckets of a histogram.
        over_workers: The mode in which prometheus-client combines the values of a gauge from all running workers.

    """

    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: Sequence[str] = ()
    known: Sequence[Sequence[str]] = ()
    buckets: Sequence[float] = ()
    over_workers: Literal["livemax", "livesum"] = "livesum"


def _outcomes() -> Sequence[Sequence[str]]:
    """Return the possible pairs of outcome and reason."""
    failures = [(OutcomeState.FAILED, why) for why in FAILURES]
    skips = [(OutcomeState.SKIPPED, why) for why in Why if why not in (Why.SHADOW, *FAILURES)]
    return [(OutcomeState.RERANKED, ""), (OutcomeState.SHADOW, Why.SHADOW), *failures, *skips]


METRICS: Mapping[str, MetricRow] = {
    "searches_total": MetricRow(
        "counter", "Searches at known endpoints, by outcome and reason.", ("outcome", "why"), _outcomes()
    ),
    "rule_searches_total": MetricRow(
        "counter",
        "Searches by endpoint, rule and outcome. The rule is empty if none was chosen. With `mode: sample`, searches "
        "outside the sample have the outcome `sampled_out`.",
        ("endpoint", "rule", "outcome"),
    ),
    "passthrough_requests_total": MetricRow("counter", "Requests without a search that were passed through."),
    "planned_documents_total": MetricRow("counter", "Documents of the windows of reranked searches, scored or not."),
    "documents_total": MetricRow(
        "counter",
        "Scored documents of reranked searches, by where their scores or vectors came from: `cache` or `model`.",
        ("from",),
        (("cache",), ("model",)),
    ),
    "rank_change": MetricRow(
        "histogram",
        "Mean distance of the first ten hits of a reranked search from their ranks in the engine's order.",
        buckets=_RANKS,
    ),
    "request_duration_seconds": MetricRow("histogram", "Time per request with searches.", buckets=_SECONDS),
    "engine_duration_seconds": MetricRow(
        "histogram", "Time per request in which an engine request was in flight.", buckets=_SECONDS
    ),
    "rerank_duration_seconds": MetricRow(
        "histogram",
        "Time per request in which the reranker was scoring, if anything was reranked.",
        buckets=_SECONDS,
    ),
    "queue_duration_seconds": MetricRow(
        "histogram", "Time per request to a rerank server in which it waited for a free server.", buckets=_SECONDS
    ),
    "overhead_duration_seconds": MetricRow(
        "histogram", "Time per request that es-rerank itself took.", buckets=_OWN_SECONDS
    ),
    "upstream_errors_total": MetricRow(
        "counter",
        "Errors of the engine that clients saw, by kind.",
        ("kind",),
        tuple((kind,) for kind in UPSTREAM_ERRORS),
    ),
    "shadow_overlap": MetricRow(
        "histogram",
        "Share of the engine's first ten hits that reranking would have kept there.",
        buckets=_SHARES,
    ),
    "shadow_rbo": MetricRow("histogram", "Rank-biased overlap of both orders (p = 0.9).", buckets=_SHARES),
    "shadow_top_total": MetricRow(
        "counter",
        "Measured searches, by whether their first hit would change.",
        ("changed",),
        (("true",), ("false",)),
    ),
    "shadow_dropped_total": MetricRow("counter", "Searches that were not measured because too many were in flight."),
    "degraded": MetricRow("gauge", "1 while searches cannot be reranked.", over_workers="livemax"),
    "reranker_servers": MetricRow(
        "gauge",
        "Rerank servers by state. Each worker counts its own view.",
        ("state",),
        tuple((state,) for state in HealthState),
    ),
    "reranker_servers_unavailable": MetricRow("gauge", "Rerank servers that get no requests.", over_workers="livemax"),
    "reranker_requests_total": MetricRow(
        "counter",
        f"Requests to rerank servers, by server and result: {', '.join(f'`{status}`' for status in STATUSES)}.",
        ("server", "result"),
    ),
    "reranker_requests_in_flight": MetricRow("gauge", "Requests in flight, by rerank server.", ("server",)),
    "reranker_passages_total": MetricRow("counter", "Texts that were sent to rerank servers.", ("server",)),
    "reranker_tokens_total": MetricRow(
        "counter", "Approximate tokens of the texts that were sent to rerank servers.", ("server",)
    ),
    "searches_in_flight": MetricRow("gauge", "Searches that the rerank servers are scoring, and queued searches."),
    "vector_cache_bytes": MetricRow("gauge", "Memory of the cached vectors."),
    "texts_in_flight": MetricRow("gauge", "Texts whose vectors are being computed, and queued texts, also for later."),
    "shared_cache_lookups_total": MetricRow(
        "counter", "Scores and vectors looked up in the shared cache, by result.", ("result",)
    ),
    "build_info": MetricRow("gauge", "1, with the versions as labels.", ("version", "python"), (), (), "livemax"),
}
"""All metrics, without the prefix `es_rerank_`."""
