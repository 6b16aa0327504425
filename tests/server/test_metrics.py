from __future__ import annotations

import pytest

from es_rerank.model import Failed, Outcome, Why, failed, skipped
from es_rerank.rerank_client.client import Health
from es_rerank.server.metrics import Metrics


def lines(metrics: Metrics, state: str = "ok") -> list[str]:
    metrics.stands(Health(state))
    return metrics.text().decode().splitlines()


def test_a_new_endpoint_has_counted_nothing() -> None:
    found = lines(Metrics())
    assert "es_rerank_passthrough_requests_total 0.0" in found
    assert "es_rerank_degraded 0.0" in found


def test_how_the_rerank_servers_stand_is_told() -> None:
    metrics = Metrics()
    metrics.stands(Health("ok", "1 of 2 servers out", out=1, searches=12))
    found = metrics.text().decode().splitlines()
    assert {"es_rerank_reranker_servers_unavailable 1.0", "es_rerank_searches_in_flight 12.0"} <= set(found)


@pytest.mark.parametrize(
    ("outcome", "labels"),
    [
        (skipped(Why.SORT), 'outcome="skipped",why="sort"'),
        (failed(Failed(Why.DEADLINE)), 'outcome="failed",why="deadline"'),
        (Outcome("reranked", window=5, cached=2), 'outcome="reranked",why=""'),
    ],
)
def test_each_search_is_counted_with_its_reason(outcome: Outcome, labels: str) -> None:
    metrics = Metrics()
    metrics.searched([outcome], 0.25, 0.5)
    metrics.searched([outcome], 0.25, 0.5)
    found = lines(metrics)
    assert f"es_rerank_searches_total{{{labels}}} 2.0" in found
    assert "es_rerank_engine_duration_seconds_sum 0.5" in found


def test_documents_are_counted_by_where_their_score_came_from() -> None:
    metrics = Metrics()
    metrics.searched([Outcome("reranked", window=3), Outcome("reranked", window=2, cached=2)], 0.25, 0.5)
    metrics.passed()
    found = lines(metrics, "degraded")
    assert 'es_rerank_documents_total{from="cache"} 2.0' in found
    assert 'es_rerank_documents_total{from="model"} 3.0' in found
    assert "es_rerank_rerank_duration_seconds_sum 0.5" in found
    assert "es_rerank_passthrough_requests_total 1.0" in found
    assert "es_rerank_degraded 1.0" in found
