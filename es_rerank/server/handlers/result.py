"""What a handler makes of a request."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from es_rerank.errors import error_body
from es_rerank.model import EngineReply, Failed, Outcome, OutcomeState, Why, failed, skipped
from es_rerank.pipeline import SearchResult
from es_rerank.search.engine_request.by_endpoint import EngineRequest
from es_rerank.server.shadow import Measurement


@dataclass(frozen=True, slots=True)
class HandlerResult:
    """The response to a request, or how it is passed to the engine.

    Attributes:
        body: The response body; None passes the request to the engine.
        outcomes: What happened to each search; empty if the request carries none.
        reply: The engine's reply whose status and headers the client gets; None for a response of es-rerank itself.
        status: The status of a response of es-rerank itself.
        forward: The request to pass to the engine instead of the client's own.
        measurements: What is measured after the response.

    """

    body: bytes | None
    outcomes: tuple[Outcome, ...] = ()
    reply: EngineReply | None = None
    status: int = HTTPStatus.OK
    forward: EngineRequest | None = None
    measurements: tuple[Measurement, ...] = ()


def pass_through(*reasons: Why, measurements: tuple[Measurement, ...] = ()) -> HandlerResult:
    """Pass a request to the engine unchanged, with one reason per search."""
    return HandlerResult(None, tuple(skipped(why) for why in reasons), measurements=measurements)


def internal_failure() -> HandlerResult:
    """Pass a request to the engine unchanged after a failure of es-rerank itself."""
    return HandlerResult(None, (failed(Failed(Why.INTERNAL)),))


def search_result(result: SearchResult, body: bytes | None) -> HandlerResult:
    """Answer a request with one search; *body* is the result's, cut by `filter_path`."""
    if is_strict_failure(result):
        return HandlerResult(error_response(result.outcome), (result.outcome,), status=HTTPStatus.INTERNAL_SERVER_ERROR)
    return HandlerResult(body, (result.outcome,), result.reply)


def is_strict_failure(result: SearchResult) -> bool:
    """Return whether the rule wants an error instead of the engine's order."""
    return result.outcome.state is OutcomeState.FAILED and result.rule is not None and result.rule.strict


def error_response(outcome: Outcome) -> bytes:
    """Write the error of a strict rule; its status is 500, which no client retries."""
    reason = f"{outcome.why}: {outcome.detail or 'no scores'}"
    return error_body(HTTPStatus.INTERNAL_SERVER_ERROR, "rerank_exception", reason)
