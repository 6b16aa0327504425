"""Small records of spans, which take little time to create. They are converted to OpenTelemetry's spans for export."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from random import getrandbits
from types import TracebackType
from typing import Any, Literal

Kind = Literal["INTERNAL", "SERVER", "CLIENT"]


@dataclass(slots=True)
class Trace:
    """The values that all spans of one client request share.

    Attributes:
        id: The trace ID, which has 128 bits.
        flags: The trace flags in the header `traceparent`.
        sampled: Whether spans are recorded. Outgoing requests have this flag in `traceparent`.
        export: Function that exports the finished spans of the trace.
        parent: OpenTelemetry's `SpanContext` of the client's span, or None.
        state: OpenTelemetry's `TraceState`, for the header `tracestate`, or None.
        attributes: Attributes that the sampler adds to the first span.
        finished: The finished spans that have not been exported.
        ended: Whether the span of the client's request has ended. Spans of shadow requests may end later.

    """

    id: int
    flags: int
    sampled: bool
    export: Callable[[Trace], object]
    parent: Any = None
    state: Any = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    finished: list[Span] = field(default_factory=list)
    ended: bool = False


class Span:
    """A context manager that records its block as a span, which is a child of the current span (`CURRENT`).

    Attributes:
        id: The span ID, which has 64 bits.
        parent: The span that was current when this span started; None for the span of the client's request.
        started: Unix time of the start, in nanoseconds.
        ended: Unix time of the end, in nanoseconds.
        error: The name of the exception that ended the block. Its text is not recorded.

    """

    __slots__ = ("attributes", "ended", "error", "id", "kind", "name", "parent", "started", "trace")

    def __init__(self, trace: Trace, name: str, kind: Kind, attributes: Mapping[str, Any] | None = None) -> None:
        """Create a span that starts when its block is entered."""
        self.trace = trace
        self.name = name
        self.kind = kind
        self.attributes: dict[str, Any] = dict(attributes) if attributes else {}
        self.id = getrandbits(64) or 1
        self.parent: Span | None = None
        self.started = self.ended = 0
        self.error = ""

    def __enter__(self) -> None:
        """Start this span, and make it the current span."""
        self.parent = CURRENT.get()
        CURRENT.set(self)
        self.started = time.time_ns()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Record the span. If it is the span of the client's request, export it with the spans of its steps."""
        self.ended = time.time_ns()
        CURRENT.set(self.parent)
        trace = self.trace
        if not trace.sampled:
            return
        if kind is not None and isinstance(error, Exception):
            self.error = kind.__name__
        trace.finished.append(self)
        if trace.ended or self.parent is None:
            trace.ended = True
            trace.export(trace)


CURRENT: ContextVar[Span | None] = ContextVar("span", default=None)
"""The innermost span that has not ended. New tasks inherit it."""
