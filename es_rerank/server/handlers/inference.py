"""`_inference/rerank/{id}` in Elasticsearch's format, answered by es-rerank for the ids in the settings."""

from __future__ import annotations

from http import HTTPStatus

from multidict import CIMultiDict

from es_rerank.errors import error_body
from es_rerank.model import EngineReply, Failed, Outcome, OutcomeState, ScoreRequest, failed
from es_rerank.search.formats.inference import read, write
from es_rerank.server.handlers.context import EngineSession, SearchCall
from es_rerank.server.handlers.result import HandlerResult, error_response

_VENDOR_TYPE = "application/vnd.elasticsearch+json"


async def handle(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Handle an inference request: score its documents with the model, or return an error response."""
    question = read(call.body)
    if isinstance(question, str):
        body = error_body(HTTPStatus.BAD_REQUEST, "action_request_validation_exception", question)
        return HandlerResult(body, status=HTTPStatus.BAD_REQUEST)
    rule = call.state.rules.default_rule
    deadline = call.options.deadline_of(rule)
    scored = await session.score(ScoreRequest(question.query, question.documents, rule, deadline, whole=True))
    if isinstance(scored, Failed):
        outcome = failed(scored)
        return HandlerResult(error_response(outcome), (outcome,), status=HTTPStatus.INTERNAL_SERVER_ERROR)
    accepted = call.request.headers.get("Accept", "")
    media_type = accepted if accepted.startswith(_VENDOR_TYPE) else "application/json"
    # Elasticsearch clients reject a response without the product header.
    headers = CIMultiDict({"Content-Type": media_type, "X-Elastic-Product": "Elasticsearch"})
    documents = len(question.documents)
    outcome = Outcome(OutcomeState.RERANKED, window=documents, of=documents, cached=scored.cached, model=scored.model)
    return HandlerResult(
        write(question, scored.probabilities), (outcome,), EngineReply(status=HTTPStatus.OK, headers=headers)
    )
