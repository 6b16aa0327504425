"""One trace from the client over es-rerank to the engine and to the rerank server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from es_rerank.net.tracing import TRACING
from tests.server.handlers.engine import running

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = [("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")]


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Tracing is on, and its spans are kept in memory."""
    kept = InMemorySpanExporter()
    TRACING.start(kept)
    yield kept
    TRACING.stop()


def by_id(spans: tuple[ReadableSpan, ...]) -> dict[str, ReadableSpan]:
    return {f"{span.context.span_id:016x}": span for span in spans}


async def test_a_search_is_one_trace_over_three_hops(exporter: InMemorySpanExporter) -> None:
    async with running() as (proxy, engine, model):
        await proxy.search(headers=HEADERS)
    TRACING.stop()
    spans = exporter.get_finished_spans()
    assert {f"{span.context.trace_id:032x}" for span in spans} == {TRACE}
    names = {span.name for span in spans}
    assert names >= {"POST _search", "passages", "rerank", "wait for server", "model", "rewrite"}
    assert names & {"query phase", "query and fetch phase"}
    known = by_id(spans)
    phases = {"POST _search", "query phase", "fetch phase", "query and fetch phase"}
    for server, expected in ((engine, phases), (model, {"model"})):
        sent = [seen.headers["traceparent"].split("-") for seen in server.seen]
        assert sent
        assert all(trace == TRACE and known[span].name in expected for _, trace, span, _ in sent)
    (rerank,) = [span for span in spans if span.name == "rerank"]
    assert dict(rerank.attributes or {}) == {
        "openinference.span.kind": "RERANKER",
        "reranker.top_k": 4,
        "reranker.model_name": "BAAI/bge-reranker-v2-m3",
        "es_rerank.cached": 0,
    }
    (request,) = [span for span in spans if span.name == "POST _search"]
    assert str((request.attributes or {})["es_rerank.outcome"]).startswith("reranked")
    assert not any("hose" in str(value) for span in spans for value in (span.attributes or {}).values())


async def test_a_request_without_searches_continues_the_clients_trace_unchanged(exporter: InMemorySpanExporter) -> None:
    async with running() as (proxy, engine, _):
        await proxy.send("GET", "/_cat/indices", headers=HEADERS)
    TRACING.stop()
    assert engine.seen[-1].headers["traceparent"] == HEADERS[0][1]
    assert exporter.get_finished_spans() == ()


async def test_a_search_that_the_client_does_not_sample_has_no_spans(exporter: InMemorySpanExporter) -> None:
    async with running() as (proxy, engine, model):
        answer = await proxy.search(headers=[("traceparent", HEADERS[0][1].removesuffix("01") + "00")])
    TRACING.stop()
    assert exporter.get_finished_spans() == ()
    assert answer.headers["X-Rerank"].startswith("reranked")
    sent = [seen.headers["traceparent"].split("-") for server in (engine, model) for seen in server.seen]
    assert {(trace, flags) for _, trace, _, flags in sent} == {(TRACE, "00")}


async def test_while_tracing_is_off_requests_have_the_same_bytes() -> None:
    async with running() as (proxy, engine, model):
        await proxy.search(headers=HEADERS)
        await proxy.search("rain")
    assert next(seen.headers.get("traceparent") for seen in engine.seen if "_search" in seen.target) == HEADERS[0][1]
    assert "traceparent" not in engine.seen[-1].headers
    assert not any("traceparent" in seen.headers for seen in model.seen)
