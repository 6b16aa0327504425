"""Traces in OpenTelemetry's format. While tracing is off, no span is recorded and no header is changed.

Spans are linked through the current context, which new tasks inherit. They have no query text and no text of documents.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any, Literal

from es_rerank.errors import ConfigError

Kind = Literal["INTERNAL", "SERVER", "CLIENT"]

_MISSING = "tracing: OpenTelemetry is not installed: pip install 'es-rerank[otel]'"
_SERVICE = "es-rerank"
_NO_SPAN: AbstractContextManager[Any] = nullcontext()


class Tracing:
    """The tracer of this process, if tracing is on."""

    def __init__(self) -> None:
        """Start with tracing off."""
        self._api: Any = None
        self._provider: Any = None
        self._tracer: Any = None
        self._propagator: Any = None

    @property
    def is_on(self) -> bool:
        """Whether spans are recorded."""
        return self._tracer is not None

    def start(self, provider: Any = None) -> None:
        """Record spans with *provider*; None exports them with OTLP, configured by the variables `OTEL_*`.

        Raises:
            ConfigError: OpenTelemetry is not installed.

        """
        try:
            self._api = import_module("opentelemetry.trace")
            context = import_module("opentelemetry.trace.propagation.tracecontext")
            self._provider = provider or _otlp_provider()
        except ImportError as error:
            raise ConfigError(_MISSING) from error
        self._propagator = context.TraceContextTextMapPropagator()
        self._tracer = self._provider.get_tracer(_SERVICE)

    def stop(self) -> None:
        """Export the remaining spans, and stop recording. Blocks until the exporter has ended."""
        provider, self._provider, self._tracer = self._provider, None, None
        if provider:
            provider.shutdown()

    def span(
        self, name: str, attributes: Mapping[str, Any] | None = None, kind: Kind = "INTERNAL"
    ) -> AbstractContextManager[Any]:
        """Return a context manager that records its block as a span within the current one."""
        if self._tracer is None:
            return _NO_SPAN
        span: AbstractContextManager[Any] = self._tracer.start_as_current_span(
            name, attributes=attributes, kind=self._api.SpanKind[kind]
        )
        return span

    def server_span(self, name: str, headers: Mapping[str, str]) -> AbstractContextManager[Any]:
        """Return the span of a client's request, within the trace that the header `traceparent` names."""
        if self._tracer is None:
            return _NO_SPAN
        lower = {key.lower(): value for key, value in headers.items()}
        span: AbstractContextManager[Any] = self._tracer.start_as_current_span(
            name, context=self._propagator.extract(lower), kind=self._api.SpanKind.SERVER
        )
        return span

    def annotate(self, attributes: Mapping[str, Any]) -> None:
        """Add attributes to the current span."""
        if self._tracer is not None:
            self._api.get_current_span().set_attributes(attributes)

    def inject(self, headers: MutableMapping[str, str]) -> None:
        """Add the header `traceparent` to the headers of a request, so that its trace continues the current span."""
        if self._tracer is not None:
            self._propagator.inject(headers)


TRACING = Tracing()


def _otlp_provider() -> Any:
    """Return a provider that exports spans in batches with OTLP over HTTP.

    Raises:
        ImportError: If a package of the extra `otel` is not installed.

    """
    sdk, resources = import_module("opentelemetry.sdk.trace"), import_module("opentelemetry.sdk.resources")
    batches = import_module("opentelemetry.sdk.trace.export")
    otlp = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    provider = sdk.TracerProvider(resource=resources.Resource.create({"service.name": _SERVICE}))
    provider.add_span_processor(batches.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    return provider
