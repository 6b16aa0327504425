from __future__ import annotations

import pytest

from es_rerank.model import Failed, Outcome, OutcomeState, Why, failed, skipped
from es_rerank.rerank_client.client import Health
from es_rerank.server.metrics import Metrics
from es_rerank.server.timings import Timings


class FixedTimings(Timings):
    """Timings whose values a test chooses, in seconds."""

    def __init__(self, engine: float, rerank: float, overhead: float) -> None:
        super().__init__()
        self._engine = [(0.0, engine)]
        self._rerank = [(0.0, rerank)]
        self._overhead = overhead

    def overhead_seconds(self) -> float:
        return self._overhead


TIMINGS = FixedTimings(0.25, 0.5, 0.125)


def lines(metrics: Metrics, state: str = "ok") -> list[str]:
    metrics.update_reranker(Health(state))
    return metrics.text().decode().splitlines()


def test_a_new_endpoint_has_counted_nothing() -> None:
    text = lines(Metrics())
    assert "es_rerank_passthrough_requests_total 0.0" in text
    assert "es_rerank_degraded 0.0" in text


def test_the_state_of_the_rerank_servers_is_shown() -> None:
    metrics = Metrics()
    metrics.update_reranker(Health("ok", "1 of 2 servers out", out=1, searches=12, vector_bytes=958, texts=7))
    assert {
        "es_rerank_reranker_servers_unavailable 1.0",
        "es_rerank_searches_in_flight 12.0",
        "es_rerank_vector_cache_bytes 958.0",
        "es_rerank_texts_in_flight 7.0",
    } <= set(metrics.text().decode().splitlines())


@pytest.mark.parametrize(
    ("outcome", "labels"),
    [
        (skipped(Why.SORT), 'outcome="skipped",why="sort"'),
        (skipped(Why.SHADOW), 'outcome="shadow",why="shadow"'),
        (failed(Failed(Why.DEADLINE)), 'outcome="failed",why="deadline"'),
        (Outcome(OutcomeState.RERANKED, window=5, cached=2), 'outcome="reranked",why=""'),
    ],
)
def test_each_search_is_counted_with_its_reason(outcome: Outcome, labels: str) -> None:
    metrics = Metrics()
    metrics.searched([outcome], TIMINGS)
    metrics.searched([outcome], TIMINGS)
    text = lines(metrics)
    assert f"es_rerank_searches_total{{{labels}}} 2.0" in text
    assert "es_rerank_engine_duration_seconds_sum 0.5" in text
    assert "es_rerank_overhead_duration_seconds_sum 0.25" in text


def test_documents_are_counted_by_the_source_of_their_scores() -> None:
    metrics = Metrics()
    reranked = OutcomeState.RERANKED
    metrics.searched([Outcome(reranked, window=3), Outcome(reranked, window=2, cached=2)], TIMINGS)
    metrics.passed_through()
    text = lines(metrics, "degraded")
    assert 'es_rerank_documents_total{from="cache"} 2.0' in text
    assert 'es_rerank_documents_total{from="model"} 3.0' in text
    assert "es_rerank_rerank_duration_seconds_sum 0.5" in text
    assert "es_rerank_passthrough_requests_total 1.0" in text
    assert "es_rerank_degraded 1.0" in text


def test_a_request_counts_once_in_each_histogram_and_only_a_reranked_one_in_that_of_the_reranker() -> None:
    metrics = Metrics()
    metrics.searched([Outcome(OutcomeState.RERANKED, window=3), skipped(Why.SORT)], TIMINGS)
    metrics.searched([skipped(Why.SORT), failed(Failed(Why.DEADLINE))], TIMINGS)
    text = lines(metrics)
    assert "es_rerank_engine_duration_seconds_count 2.0" in text
    assert "es_rerank_overhead_duration_seconds_count 2.0" in text
    assert "es_rerank_rerank_duration_seconds_count 1.0" in text
