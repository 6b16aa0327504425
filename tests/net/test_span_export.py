from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from es_rerank.net.span_export import SpanExport
from es_rerank.net.spans import Span, Trace


class Kept(SpanExporter):
    """Keeps the requests that it gets."""

    def __init__(self) -> None:
        self.requests: list[Sequence[ReadableSpan]] = []
        self.is_shut_down = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.requests.append(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.is_shut_down = True


def record(trace: Trace, steps: int) -> None:
    with Span(trace, "request", "SERVER"):
        for number in range(steps):
            with Span(trace, f"step {number}", "INTERNAL"):
                pass


def exported(*steps: int) -> Kept:
    """Export one trace for each number of steps."""
    kept = Kept()
    export = SpanExport(kept)
    for count in steps:
        record(export.trace("request", {}), count)
    export.stop()
    return kept


def test_the_spans_of_several_requests_are_exported_together() -> None:
    kept = exported(1, 2)
    assert [[span.name for span in one] for one in kept.requests] == [
        ["step 0", "request", "step 0", "step 1", "request"]
    ]
    assert kept.is_shut_down


def test_many_spans_are_exported_in_requests_of_limited_length() -> None:
    kept = exported(600, 600)
    assert [len(one) for one in kept.requests] == [512, 512, 178]
    assert len({span.context.span_id for one in kept.requests for span in one}) == 1202


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "es-rerank"),
        ({"OTEL_SERVICE_NAME": "search-de"}, "search-de"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=search-fr,deployment.environment=test"}, "search-fr"),
    ],
)
def test_the_service_is_named_es_rerank_by_default(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], name: str
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    kept = exported(0)
    ((span,),) = kept.requests
    assert span.resource.attributes["service.name"] == name
    assert span.instrumentation_scope
    assert span.instrumentation_scope.name == "es-rerank"


def test_the_hash_of_the_resource_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ((first, second),) = exported(1).requests

    def computed(_: Resource) -> int:
        raise AssertionError

    monkeypatch.setattr(Resource, "__hash__", computed)
    assert hash(first.resource) == hash(second.resource)
    assert first.resource == second.resource
