"""Traces in OpenTelemetry's format. While tracing is off, no span is recorded and no header is changed.

A trace begins with a client's request to a known endpoint. Spans have no query text and no text of documents.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

from es_rerank.errors import ConfigError
from es_rerank.net.spans import CURRENT, Kind, Span

_MISSING = "tracing: OpenTelemetry is not installed: pip install 'es-rerank[otel]'"
_NO_SPAN: AbstractContextManager[Any] = nullcontext()


class Tracing:
    """Starts and stops tracing in this process, and creates the spans of requests."""

    def __init__(self) -> None:
        """Start with tracing off."""
        self._export: Any = None

    @property
    def is_on(self) -> bool:
        """Whether tracing is on: requests are sampled, and the engine and the rerank server get `traceparent`."""
        return self._export is not None

    @property
    def is_recording(self) -> bool:
        """Whether the spans of the current request are recorded."""
        current = CURRENT.get()
        return current is not None and current.trace.sampled

    def start(self, exporter: Any = None) -> None:
        """Start to record spans, and to export them with *exporter* (by default OTLP, as the variables `OTEL_*` say).

        Raises:
            ConfigError: OpenTelemetry is not installed.

        """
        try:
            module = import_module("es_rerank.net.span_export")
        except ImportError as error:
            raise ConfigError(_MISSING) from error
        if not module.disabled():
            self._export = module.SpanExport(exporter)

    def stop(self) -> None:
        """Export the remaining spans, and stop recording. Blocks until the exporter is shut down."""
        export, self._export = self._export, None
        if export:
            export.stop()

    def span(
        self, name: str, attributes: Mapping[str, Any] | None = None, kind: Kind = "INTERNAL"
    ) -> AbstractContextManager[Any]:
        """Return a context manager that records its block as a child of the current span."""
        current = CURRENT.get()
        if current is None or not current.trace.sampled:
            return _NO_SPAN
        return Span(current.trace, name, kind, attributes)

    def server_span(self, name: str, headers: Mapping[str, str]) -> AbstractContextManager[Any]:
        """Return a context manager that records a client's request as a span of the trace in its `traceparent`.

        Args:
            name: The name of the span.
            headers: The request's headers; names are case-insensitive.

        """
        if self._export is None:
            return _NO_SPAN
        trace = self._export.trace(name, headers)
        return Span(trace, name, "SERVER", trace.attributes)

    def annotate(self, attributes: Mapping[str, Any]) -> None:
        """Add attributes to the current span."""
        if current := CURRENT.get():
            current.attributes.update(attributes)

    def inject(self, headers: MutableMapping[str, str]) -> None:
        """Add `traceparent` to the headers of a request, so that the receiver's spans continue the current trace."""
        if current := CURRENT.get():
            trace = current.trace
            headers["traceparent"] = f"00-{trace.id:032x}-{current.id:016x}-{trace.flags:02x}"
            if trace.state:
                headers["tracestate"] = trace.state.to_header()


TRACING = Tracing()
