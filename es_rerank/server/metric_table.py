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
        "Searches by endpoint, rule and outcome. `rule` is empty if no rule was chosen. With `mode: sample`, searches "
        "outside the sample have the outcome `sampled_out`.",
        ("endpoint", "rule", "outcome"),
    ),
    "passthrough_requests_total": MetricRow("counter", "Requests without a search that were passed through."),
    "planned_documents_total": MetricRow(
        "counter", "Documents in the windows of reranked searches, whether or not they were scored."
    ),
    "documents_total": MetricRow(
        "counter",
        "Scored documents of reranked searches, by where their scores or vectors came from: `cache` or `model`.",
        ("from",),
        (("cache",), ("model",)),
    ),
    "rank_change": MetricRow(
        "histogram",
        "Mean number of ranks between the new and the engine's position of the first ten hits of a reranked search.",
        buckets=_RANKS,
    ),
    "request_duration_seconds": MetricRow(
        "histogram", "Time that es-rerank took to answer a request with searches.", buckets=_SECONDS
    ),
    "engine_duration_seconds": MetricRow(
        "histogram",
        "Part of the time of a request with searches in which at least one engine request was in flight.",
        buckets=_SECONDS,
    ),
    "rerank_duration_seconds": MetricRow(
        "histogram",
        "Part of the time of a request in which its searches were queued or being scored. Only requests with reranked "
        "searches count.",
        buckets=_SECONDS,
    ),
    "queue_duration_seconds": MetricRow(
        "histogram", "Time that a request to a rerank server waited until a server was free.", buckets=_SECONDS
    ),
    "overhead_duration_seconds": MetricRow(
        "histogram", "Part of the time of a request that was spent in es-rerank itself.", buckets=_OWN_SECONDS
    ),
    "upstream_errors_total": MetricRow(
        "counter",
        "Engine errors that clients saw, by kind: the engine was unreachable, its response was cut off, or its status "
        "was 429 or 5xx.",
        ("kind",),
        tuple((kind,) for kind in UPSTREAM_ERRORS),
    ),
    "shadow_overlap": MetricRow(
        "histogram",
        "Share of the engine's first ten hits that reranking would have kept among the first ten (shadow mode).",
        buckets=_SHARES,
    ),
    "shadow_rbo": MetricRow(
        "histogram",
        "Rank-biased overlap (p = 0.9) of the engine's order and the reranked order (shadow mode).",
        buckets=_SHARES,
    ),
    "shadow_top_total": MetricRow(
        "counter",
        "Searches that were measured in shadow mode, by whether reranking would have changed the first hit.",
        ("changed",),
        (("true",), ("false",)),
    ),
    "shadow_dropped_total": MetricRow(
        "counter", "Searches that were not measured in shadow mode, because too many measurements were in flight."
    ),
    "degraded": MetricRow("gauge", "1 while searches cannot be reranked.", over_workers="livemax"),
    "reranker_servers": MetricRow(
        "gauge",
        "Rerank servers by state. The value is the sum over all workers, each of which counts every server.",
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
    "searches_in_flight": MetricRow("gauge", "Searches that are queued or that the rerank servers are scoring."),
    "vector_cache_bytes": MetricRow("gauge", "Memory that the cached vectors take."),
    "texts_in_flight": MetricRow(
        "gauge", "Texts whose vectors are queued or being computed, including vectors for later searches."
    ),
    "shared_cache_lookups_total": MetricRow(
        "counter",
        "Scores and vectors looked up in the shared cache, by result: `hit`, `miss` or `unavailable`.",
        ("result",),
    ),
    "build_info": MetricRow(
        "gauge",
        "Always 1. The labels are the versions of es-rerank and Python.",
        ("version", "python"),
        (),
        (),
        "livemax",
    ),
}
"""All metrics, without the prefix `es_rerank_`."""
