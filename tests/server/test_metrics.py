from __future__ import annotations

import platform
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version

import aiohttp
import pytest

from es_rerank.model import Failed, Outcome, OutcomeState, Why, failed, skipped
from es_rerank.rerank_client.client import Health
from es_rerank.rerank_client.usage import ServerReport
from es_rerank.server.metrics import Metrics
from es_rerank.server.timings import Durations
from es_rerank.testing import FakeResponse, FakeServer, fake_settings, running_endpoint, serve_fake

DURATIONS = Durations(total=1.0, engine=0.25, rerank=0.5, overhead=0.125)


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
    metrics.searched([outcome], DURATIONS)
    metrics.searched([outcome], DURATIONS)
    text = lines(metrics)
    assert f"es_rerank_searches_total{{{labels}}} 2.0" in text
    assert "es_rerank_engine_duration_seconds_sum 0.5" in text
    assert "es_rerank_overhead_duration_seconds_sum 0.25" in text


def test_documents_are_counted_by_the_source_of_their_scores() -> None:
    metrics = Metrics()
    reranked = OutcomeState.RERANKED
    metrics.searched([Outcome(reranked, window=3), Outcome(reranked, window=2, cached=2)], DURATIONS)
    metrics.passed_through()
    text = lines(metrics, "degraded")
    assert 'es_rerank_documents_total{from="cache"} 2.0' in text
    assert 'es_rerank_documents_total{from="model"} 3.0' in text
    assert "es_rerank_rerank_duration_seconds_sum 0.5" in text
    assert "es_rerank_passthrough_requests_total 1.0" in text
    assert "es_rerank_degraded 1.0" in text


def test_a_request_counts_once_in_each_histogram_and_only_a_reranked_one_in_that_of_the_reranker() -> None:
    metrics = Metrics()
    metrics.searched([Outcome(OutcomeState.RERANKED, window=3), skipped(Why.SORT)], DURATIONS)
    metrics.searched([skipped(Why.SORT), failed(Failed(Why.DEADLINE))], DURATIONS)
    text = lines(metrics)
    assert "es_rerank_engine_duration_seconds_count 2.0" in text
    assert "es_rerank_overhead_duration_seconds_count 2.0" in text
    assert "es_rerank_rerank_duration_seconds_count 1.0" in text


def test_searches_are_counted_by_endpoint_and_rule_and_rules_start_at_zero() -> None:
    metrics = Metrics()
    metrics.start_rules(["docs"])
    metrics.searched([skipped(Why.SAMPLED_OUT, "docs"), skipped(Why.SORT)], DURATIONS, "_msearch")
    text = lines(metrics)
    assert 'es_rerank_rule_searches_total{endpoint="_msearch",outcome="sampled_out",rule="docs"} 1.0' in text
    assert 'es_rerank_rule_searches_total{endpoint="_msearch",outcome="skipped",rule=""} 1.0' in text
    assert 'es_rerank_rule_searches_total{endpoint="_search",outcome="failed",rule="docs"} 0.0' in text
    assert 'es_rerank_searches_total{outcome="failed",why="deadline"} 0.0' in text


def test_the_window_and_the_change_of_ranks_are_recorded() -> None:
    metrics = Metrics()
    outcome = Outcome(OutcomeState.RERANKED, window=5, of=20, cached=2, rank_change=2.5)
    metrics.searched([outcome], DURATIONS)
    text = lines(metrics)
    assert "es_rerank_planned_documents_total 20.0" in text
    assert "es_rerank_rank_change_sum 2.5" in text
    assert "es_rerank_rank_change_count 1.0" in text


def test_rerank_servers_are_reported_by_state_and_result() -> None:
    metrics = Metrics()
    first = ServerReport("http://one", "healthy", 2, {"ok": 3, "deadline": 1}, 40, 9000)
    metrics.update_servers([first, ServerReport("http://two", "open", 0, {}, 0, 0)], [0.02, 0.2])
    metrics.update_servers([replace(first, results={"ok": 5, "deadline": 1}, passages=60)], [])
    text = lines(metrics)
    assert 'es_rerank_reranker_servers{state="healthy"} 1.0' in text
    assert 'es_rerank_reranker_servers{state="open"} 0.0' in text
    assert 'es_rerank_reranker_requests_total{result="ok",server="http://one"} 5.0' in text
    assert 'es_rerank_reranker_requests_total{result="refused",server="http://two"} 0.0' in text
    assert 'es_rerank_reranker_requests_in_flight{server="http://one"} 2.0' in text
    assert 'es_rerank_reranker_passages_total{server="http://one"} 60.0' in text
    assert 'es_rerank_reranker_tokens_total{server="http://one"} 9000.0' in text
    assert "es_rerank_queue_duration_seconds_count 2.0" in text


def test_a_server_that_was_removed_and_added_again_counts_from_zero() -> None:
    metrics = Metrics()
    for results in ({"ok": 3}, {"ok": 1}):
        metrics.update_servers([ServerReport("http://one", "healthy", 0, results, 0, 0)], [])
    assert 'es_rerank_reranker_requests_total{result="ok",server="http://one"} 4.0' in lines(metrics)


def test_the_version_is_exposed_and_no_time_of_creation() -> None:
    text = "\n".join(lines(Metrics()))
    assert f'es_rerank_build_info{{python="{platform.python_version()}",version="{version("es-rerank")}"}} 1.0' in text
    assert "_created" not in text


async def test_errors_of_the_engine_are_counted_by_kind() -> None:
    responses = [FakeResponse(b"{}", status=503), FakeResponse(b"{}", status=429), FakeResponse(b"{", cut_off=True)]
    async with (
        serve_fake(FakeServer({"": lambda _: responses[len(engine.seen) - 1]})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        for _ in responses:
            with suppress(aiohttp.ClientError):
                await proxy.send("GET", "/docs")
        await engine.reached(3)
        text = (await proxy.pages.send("GET", "/_rerank/metrics")).body.decode()
    async with running_endpoint(fake_settings()) as proxy:
        await proxy.search()
        alone = (await proxy.pages.send("GET", "/_rerank/metrics")).body.decode()
    for kind in ("http_5xx", "http_429", "cut_off"):
        assert f'es_rerank_upstream_errors_total{{kind="{kind}"}} 1.0' in text
    assert 'es_rerank_upstream_errors_total{kind="unreachable"} 1.0' in alone


async def test_requests_at_the_address_of_the_admin_pages_are_not_counted() -> None:
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"{}", status=404)})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        await proxy.pages.search()
        await proxy.pages.send("GET", "/docs")
        before = (await proxy.pages.send("GET", "/_rerank/metrics")).body.decode()
        await proxy.search()
        after = (await proxy.pages.send("GET", "/_rerank/metrics")).body.decode()
    assert "es_rerank_engine_duration_seconds_count 0.0" in before
    assert "es_rerank_passthrough_requests_total 0.0" in before
    assert "es_rerank_engine_duration_seconds_count 1.0" in after
