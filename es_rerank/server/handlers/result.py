"""What became of a request."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from es_rerank.errors import error_body
from es_rerank.model import Failed, Outcome, Why, failed, skipped
from es_rerank.pipeline import Reply
from es_rerank.search.engine_request.by_endpoint import EngineRequest


@dataclass(frozen=True, slots=True)
class HandlerResult:
    """The answer's body, or None: then the request is sent on as it came, or as `to` says.

    `outcomes` holds what happened to each search; () says that there was none. A status other than 200 is an error of
    ours; 200 leaves the head of the answer to the engine.
    """

    body: bytes | None
    outcomes: tuple[Outcome, ...] = ()
    status: int = HTTPStatus.OK
    to: EngineRequest | None = None


def pass_through(*reasons: Why) -> HandlerResult:
    """Send a request on as it came, for a reason each search."""
    return HandlerResult(None, tuple(skipped(why) for why in reasons))


def broken() -> HandlerResult:
    """Send a request on as it came after a fault of ours."""
    return HandlerResult(None, (failed(Failed(Why.INTERNAL)),))


def answered(reply: Reply) -> HandlerResult:
    """Answer a request with one search."""
    if wants_error(reply):
        return HandlerResult(rejection(reply.outcome), (reply.outcome,), HTTPStatus.INTERNAL_SERVER_ERROR)
    return HandlerResult(reply.body, (reply.outcome,))


def wants_error(reply: Reply) -> bool:
    """Tell whether the rule wants an error instead of the engine's order."""
    return reply.outcome.state == "failed" and reply.rule is not None and reply.rule.strict


def rejection(outcome: Outcome) -> bytes:
    """Word the error of a strict rule; its status is 500, which no client tries again."""
    reason = f"{outcome.why}: {outcome.detail or 'no scores'}"
    return error_body(HTTPStatus.INTERNAL_SERVER_ERROR, "rerank_exception", reason)
