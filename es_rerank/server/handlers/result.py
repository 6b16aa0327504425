"""The results that handlers return."""

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
    """The response to a request, or the decision to pass the request to the engine.

    Attributes:
        body: The response body; None passes the request to the engine.
        outcomes: The outcome of each search; empty for a request without searches.
        reply: The engine's reply whose status and headers are used; None for es-rerank's own response.
        status: HTTP status of es-rerank's own response.
        forward: The request to pass to the engine instead of the client's.
        measurements: Shadow measurements to run after the response.

    """

    body: bytes | None
    outcomes: tuple[Outcome, ...] = ()
    reply: EngineReply | None = None
    status: int = HTTPStatus.OK
    forward: EngineRequest | None = None
    measurements: tuple[Measurement, ...] = ()


def pass_through(*reasons: Why, measurements: tuple[Measurement, ...] = ()) -> HandlerResult:
    """Return the result that passes a request to the engine unchanged, with one reason per search."""
    return HandlerResult(None, tuple(skipped(why) for why in reasons), measurements=measurements)


def internal_failure() -> HandlerResult:
    """Return the result that passes a request to the engine unchanged after an internal failure of es-rerank."""
    return HandlerResult(None, (failed(Failed(Why.INTERNAL)),))


def search_result(result: SearchResult, body: bytes | None) -> HandlerResult:
    """Return the result for a request with one search. *body* is the response body after `filter_path` is applied."""
    if is_strict_failure(result):
        return HandlerResult(error_response(result.outcome), (result.outcome,), status=HTTPStatus.INTERNAL_SERVER_ERROR)
    return HandlerResult(body, (result.outcome,), result.reply)


def is_strict_failure(result: SearchResult) -> bool:
    """Return whether the search failed and its rule is strict, so that the client gets an error."""
    return result.outcome.state is OutcomeState.FAILED and result.rule is not None and result.rule.strict


def error_response(outcome: Outcome) -> bytes:
    """Return the body of the error for a strict rule. Its status is 500, which clients do not retry."""
    reason = f"{outcome.why}: {outcome.detail or 'no scores'}"
    return error_body(HTTPStatus.INTERNAL_SERVER_ERROR, "rerank_exception", reason)
