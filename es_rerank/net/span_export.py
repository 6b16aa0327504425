"""Samples traces and exports spans with OpenTelemetry. Imported only if tracing is on, because the package is optional.

OpenTelemetry's batches get one item for each client request, with all spans of the request. The thread that exports a
batch converts its items to OpenTelemetry's spans, so that searches do not wait for the conversion.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from random import getrandbits
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import OTEL_SDK_DISABLED
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from es_rerank.net.spans import Span, Trace

_SERVICE = "es-rerank"
_SCOPE = InstrumentationScope(_SERVICE)
_HEADERS = ("traceparent", "tracestate")
_NO_PARENT = Context()
_OK, _UNKNOWN_SERVICE = Status(), "unknown_service"
# Maximum number of spans in one export request. A search has about seven spans, and an `_msearch` has more.
_SPANS_PER_REQUEST = 512
_SAMPLED = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
# Trace Context level 2: this process chose the trace ID at random.
_RANDOM = 2


class SpanExport:
    """The sampler and the exporter of this process."""

    def __init__(self, exporter: SpanExporter | None) -> None:
        """Start the thread that exports spans with *exporter*; None uses OTLP over HTTP."""
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._sampler = provider.sampler
        # The default sampler samples every request without `traceparent`. It is not called for such requests, because a
        # call takes longer than recording a span.
        self._samples_new = provider.sampler is DEFAULT_ON
        resource = _HashedResource(provider.resource.attributes, provider.resource.schema_url)
        self._propagator = TraceContextTextMapPropagator()
        self._processor: SpanProcessor = BatchSpanProcessor(_SpanExporter(exporter or OTLPSpanExporter(), resource))

    def trace(self, name: str, headers: Mapping[str, str]) -> Trace:
        """Return the trace of a client's request. The sampler decides whether its spans are recorded.

        Args:
            name: The name of the request's span.
            headers: The request's headers; names are case-insensitive.

        """
        if self._samples_new and "traceparent" not in headers:
            return Trace(getrandbits(128) or 1, _RANDOM | TraceFlags.SAMPLED, sampled=True, export=self._add)
        context, parent = _NO_PARENT, None
        if "traceparent" in headers:
            context = self._propagator.extract({name: headers[name] for name in _HEADERS if name in headers})
            found = get_current_span(context).get_span_context()
            parent = found if found.is_valid else None
        trace_id = parent.trace_id if parent else getrandbits(128) or 1
        result = self._sampler.should_sample(context, trace_id, name, SpanKind.SERVER)
        sampled = result.decision is Decision.RECORD_AND_SAMPLE
        flags = (parent.trace_flags & _RANDOM if parent else _RANDOM) | sampled
        return Trace(trace_id, flags, sampled, self._add, parent, result.trace_state, result.attributes or {})

    def stop(self) -> None:
        """Export the remaining spans. Blocks until the exporter is shut down."""
        self._processor.shutdown()

    def _add(self, trace: Trace) -> None:
        """Pass the finished spans of a trace to the thread that exports them."""
        finished, trace.finished = trace.finished, []
        self._processor.on_end(_Finished(trace, finished))


class _HashedResource(Resource):
    """A resource whose hash is computed only once. OTLPSpanExporter needs the hash for each span."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._hash = super().__hash__()

    def __hash__(self) -> int:
        return self._hash


class _Step(ReadableSpan):
    """A span in OpenTelemetry's format. es-rerank records no events or links; empty constants are faster to export."""

    events = ()
    links = ()
    dropped_attributes = 0
    dropped_events = 0
    dropped_links = 0


class _Finished(ReadableSpan):
    """The finished spans of a trace, as one item of a batch, with only the properties that BatchSpanProcessor reads."""

    context = _SAMPLED

    def __init__(self, trace: Trace, spans: Sequence[Span]) -> None:  # super().__init__ would take most of the time
        self._trace = trace
        self._spans = spans

    def readable(self, resource: Resource) -> Iterator[ReadableSpan]:
        """Yield the spans in OpenTelemetry's format."""
        trace, flags = self._trace, TraceFlags(self._trace.flags)

        def context_of(span: Span) -> SpanContext:
            return SpanContext(trace.id, span.id, is_remote=False, trace_flags=flags, trace_state=trace.state)

        for span in self._spans:
            yield _Step(
                span.name,
                context_of(span),
                context_of(span.parent) if span.parent else trace.parent,
                resource,
                span.attributes,
                kind=SpanKind[span.kind],
                status=Status(StatusCode.ERROR, span.error) if span.error else _OK,
                start_time=span.started,
                end_time=span.ended,
                instrumentation_scope=_SCOPE,
            )


class _SpanExporter(SpanExporter):
    """Converts the items of a batch to OpenTelemetry's spans, and exports the spans with another exporter."""

    def __init__(self, exporter: SpanExporter, resource: Resource) -> None:
        self._exporter = exporter
        self._resource = resource

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export the spans of all items in requests of limited size. Return SUCCESS if all requests succeeded."""
        whole = [one for item in spans if isinstance(item, _Finished) for one in item.readable(self._resource)]
        parts = (whole[at : at + _SPANS_PER_REQUEST] for at in range(0, len(whole), _SPANS_PER_REQUEST))
        results = {self._exporter.export(part) for part in parts}
        return SpanExportResult.FAILURE if SpanExportResult.FAILURE in results else SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Shut down the exporter."""
        self._exporter.shutdown()


def disabled() -> bool:
    """Return whether the variables `OTEL_*` disable OpenTelemetry."""
    return os.environ.get(OTEL_SDK_DISABLED, "").strip().lower() == "true"


def _resource() -> Resource:
    """Return the resource that the variables `OTEL_*` describe; by default, the service is named es-rerank."""
    found = Resource.create()
    named = not str(found.attributes.get(SERVICE_NAME)).startswith(_UNKNOWN_SERVICE)
    return found if named else found.merge(Resource({SERVICE_NAME: _SERVICE}))
