"""`_inference/rerank/{id}` in Elasticsearch's shape, answered by the reranker for the ids the operator lists."""

from __future__ import annotations

import time
from http import HTTPStatus

from es_rerank.errors import error_body
from es_rerank.model import Failed, Outcome, ScoreRequest, failed
from es_rerank.search.formats.inference import read, write
from es_rerank.server.handlers.context import Exchange
from es_rerank.server.handlers.result import HandlerResult, rejection

_VENDOR = "application/vnd.elasticsearch+json"


async def rerank(exchange: Exchange) -> HandlerResult:
    """Answer an inference request."""
    question = read(exchange.body)
    if isinstance(question, str):
        body = error_body(HTTPStatus.BAD_REQUEST, "action_request_validation_exception", question)
        return HandlerResult(body, status=HTTPStatus.BAD_REQUEST)
    rule = exchange.state.rules.default_rule
    deadline = time.monotonic() + exchange.seconds_left(rule)
    ask = ScoreRequest(question.query, question.documents, rule, deadline, whole=True)
    found = await exchange.state.reranker.score(ask)
    if isinstance(found, Failed):
        outcome = failed(found)
        return HandlerResult(rejection(outcome), (outcome,), HTTPStatus.INTERNAL_SERVER_ERROR)
    accepted = exchange.request.headers.get("Accept", "")
    exchange.headers["Content-Type"] = accepted if accepted.startswith(_VENDOR) else "application/json"
    # Elasticsearch's clients take no answer without it.
    exchange.headers["X-Elastic-Product"] = "Elasticsearch"
    outcome = Outcome("reranked", window=len(question.documents), cached=found.cached, model=found.model)
    return HandlerResult(write(question, found.probabilities), (outcome,))
