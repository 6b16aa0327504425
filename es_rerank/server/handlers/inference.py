"""`_inference/rerank/{id}` in Elasticsearch's shape, answered by the reranker for the ids the operator lists."""

from __future__ import annotations

from http import HTTPStatus

from es_rerank.errors import error_body
from es_rerank.model import Ask, Failed, Outcome, failed
from es_rerank.search.formats.inference import read, write
from es_rerank.server.handlers.context import Exchange
from es_rerank.server.handlers.result import Done, refusal

_VENDOR = "application/vnd.elasticsearch+json"


async def rerank(exchange: Exchange) -> Done:
    """Answer an inference request."""
    question = read(exchange.body)
    if isinstance(question, str):
        body = error_body(HTTPStatus.BAD_REQUEST, "action_request_validation_exception", question)
        return Done(body, status=HTTPStatus.BAD_REQUEST)
    rule = exchange.state.rules.everywhere
    ask = Ask(question.query, question.documents, rule, exchange.seconds_left(rule), whole=True)
    found = await exchange.state.reranker.score(ask)
    if isinstance(found, Failed):
        outcome = failed(found)
        return Done(refusal(outcome), (outcome,), HTTPStatus.INTERNAL_SERVER_ERROR)
    accepted = exchange.request.headers.get("Accept", "")
    exchange.headers["Content-Type"] = accepted if accepted.startswith(_VENDOR) else "application/json"
    # Elasticsearch's clients take no answer without it.
    exchange.headers["X-Elastic-Product"] = "Elasticsearch"
    outcome = Outcome("reranked", window=len(question.documents), cached=found.cached, model=found.model)
    return Done(write(question, found.probabilities), (outcome,))
