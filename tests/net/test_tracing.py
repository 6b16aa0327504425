from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence

import pytest
from multidict import CIMultiDict
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from es_rerank.errors import ConfigError
from es_rerank.net.tracing import Tracing

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


class Traced(Tracing):
    """Tracing with an exporter in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._kept = InMemorySpanExporter()
        self.start(self._kept)

    @property
    def exported(self) -> Sequence[ReadableSpan]:
        """Stop, and return the spans in the order in which they ended."""
        self.stop()
        return self._kept.get_finished_spans()


@pytest.fixture
def tracing() -> Iterator[Traced]:
    one = Traced()
    yield one
    one.stop()


def headers(**values: str) -> CIMultiDict[str]:
    return CIMultiDict(values)


def test_while_tracing_is_off_nothing_is_recorded_and_no_header_is_set() -> None:
    tracing, sent = Tracing(), {"traceparent": PARENT}
    with tracing.server_span("request", sent), tracing.span("step", {"a": 1}, "CLIENT"):
        tracing.annotate({"b": 2})
        tracing.inject(sent)
        assert not tracing.is_recording
    tracing.stop()
    assert (tracing.is_on, sent) == (False, {"traceparent": PARENT})


def test_a_request_continues_the_trace_of_its_header(tracing: Traced) -> None:
    sent: dict[str, str] = {}
    with tracing.server_span("request", headers(Traceparent=PARENT)), tracing.span("step", {"a": 1}, "CLIENT"):
        tracing.annotate({"b": 2})
        tracing.inject(sent)
        assert tracing.is_recording
    step, request = tracing.exported
    assert request.parent is not None
    assert step.parent is not None
    assert f"{request.context.trace_id:032x}" == TRACE
    assert (f"{request.parent.span_id:016x}", request.parent.is_remote) == (SPAN, True)
    assert (step.parent.span_id, step.parent.is_remote) == (request.context.span_id, False)
    assert sent == {"traceparent": f"00-{TRACE}-{step.context.span_id:016x}-01"}
    assert dict(step.attributes or {}) == {"a": 1, "b": 2}
    assert (request.kind.name, step.kind.name) == ("SERVER", "CLIENT")
    assert all(span.start_time and span.end_time and span.start_time <= span.end_time for span in (step, request))


def test_a_request_without_the_header_starts_a_trace(tracing: Traced) -> None:
    sent: list[dict[str, str]] = [{}, {}]
    for one in sent:
        with tracing.server_span("request", headers()):
            tracing.inject(one)
    exported = tracing.exported
    assert [span.parent for span in exported] == [None, None]
    ids = [(f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}") for span in exported]
    assert [tuple(one["traceparent"].split("-")[1:3]) for one in sent] == ids
    assert ids[0][0] != ids[1][0]
    assert all(one["traceparent"].endswith("-03") for one in sent), "sampled, with a random trace ID"


@pytest.mark.parametrize("value", ["", "rain", f"00-{'0' * 32}-{SPAN}-01", f"ff-{TRACE}-{SPAN}-01", PARENT + "-more"])
def test_an_invalid_header_starts_a_trace(tracing: Traced, value: str) -> None:
    with tracing.server_span("request", headers(traceparent=value)):
        pass
    (request,) = tracing.exported
    assert request.parent is None
    assert request.context.trace_id != int(TRACE, 16)


def test_a_request_that_is_not_sampled_has_no_spans_and_the_next_hops_learn_it(tracing: Traced) -> None:
    sent: dict[str, str] = {}
    with tracing.server_span("request", headers(traceparent=PARENT[:-1] + "0")), tracing.span("step"):
        tracing.annotate({"a": 1})
        tracing.inject(sent)
        assert not tracing.is_recording
    _, trace, span, flags = sent["traceparent"].split("-")
    assert (trace, flags) == (TRACE, "00")
    assert span != SPAN
    assert tracing.exported == ()


@pytest.mark.parametrize("received", [{}, {"traceparent": PARENT}])
def test_the_variables_of_opentelemetry_choose_the_sampler(
    monkeypatch: pytest.MonkeyPatch, received: dict[str, str]
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    tracing, sent = Traced(), dict[str, str]()
    with tracing.server_span("request", headers(**received)):
        tracing.inject(sent)
    assert sent["traceparent"].endswith(("-00", "-02"))
    assert tracing.exported == ()


def test_the_header_tracestate_is_passed_on(tracing: Traced) -> None:
    sent: dict[str, str] = {}
    with tracing.server_span("request", headers(traceparent=PARENT, tracestate="a=1,b=2")):
        tracing.inject(sent)
    assert sent["tracestate"] == "a=1,b=2"
    (request,) = tracing.exported
    assert dict(request.context.trace_state) == {"a": "1", "b": "2"}


def test_an_error_is_recorded_without_its_text(tracing: Traced) -> None:
    def fail() -> None:
        with tracing.server_span("request", headers()), tracing.span("step"):
            raise ValueError("where is the hose")

    with pytest.raises(ValueError, match="hose"):
        fail()
    exported = tracing.exported
    assert [(span.status.status_code, span.status.description) for span in exported] == [
        (StatusCode.ERROR, "ValueError"),
        (StatusCode.ERROR, "ValueError"),
    ]


async def test_a_canceled_request_is_no_error(tracing: Traced) -> None:
    async def wait() -> None:
        with tracing.server_span("request", headers()):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (request,) = tracing.exported
    assert request.status.status_code is StatusCode.UNSET


async def test_steps_that_end_after_the_request_are_exported_too(tracing: Traced) -> None:
    answered = asyncio.Event()

    async def shadow() -> None:
        with tracing.span("open"):
            await answered.wait()
        with tracing.span("new"):
            pass

    with tracing.server_span("request", headers()):
        task = asyncio.create_task(shadow())
        await asyncio.sleep(0)
    answered.set()
    await task
    request, *late = tracing.exported
    assert [span.name for span in (request, *late)] == ["request", "open", "new"]
    assert all(span.parent and span.parent.span_id == request.context.span_id for span in late)


def test_steps_outside_a_request_have_no_spans(tracing: Traced) -> None:
    sent: dict[str, str] = {}
    with tracing.span("self-test"):
        tracing.annotate({"a": 1})
        tracing.inject(sent)
    assert (sent, tracing.exported) == ({}, ())


def test_without_the_extra_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "es_rerank.net.span_export", raising=False)
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


def test_tracing_stays_off_if_the_variables_disable_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    tracing = Tracing()
    tracing.start()
    assert not tracing.is_on
