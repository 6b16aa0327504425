from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from es_rerank.errors import ConfigError
from es_rerank.net.tracing import Tracing

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Iterator[Tracing]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    one = Tracing()
    one.start(provider)
    yield one
    one.stop()


def test_while_tracing_is_off_nothing_is_recorded_and_no_header_is_set() -> None:
    tracing, headers = Tracing(), {"traceparent": PARENT}
    with tracing.server_span("request", headers), tracing.span("step", {"a": 1}, "CLIENT"):
        tracing.annotate({"b": 2})
        tracing.inject(headers)
    tracing.stop()
    assert (tracing.is_on, headers) == (False, {"traceparent": PARENT})


def test_a_request_continues_the_trace_of_its_header(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    headers: dict[str, str] = {}
    with tracing.server_span("request", {"Traceparent": PARENT}), tracing.span("step", {"a": 1}, "CLIENT"):
        tracing.annotate({"b": 2})
        tracing.inject(headers)
    step, request = exporter.get_finished_spans()
    assert request.parent is not None
    assert step.parent is not None
    assert f"{request.context.trace_id:032x}" == PARENT[3:35]
    assert f"{request.parent.span_id:016x}" == PARENT[36:52]
    assert step.parent.span_id == request.context.span_id
    assert headers["traceparent"] == f"00-{PARENT[3:35]}-{step.context.span_id:016x}-01"
    assert dict(step.attributes or {}) == {"a": 1, "b": 2}


def test_without_the_extra_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    with pytest.raises(ConfigError, match=r"pip install 'es-rerank\[otel\]'"):
        Tracing().start()


def test_spans_are_exported_with_otlp_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    tracing = Tracing()
    tracing.start()
    assert tracing.is_on
    tracing.stop()
    assert not tracing.is_on
