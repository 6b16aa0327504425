"""Handles requests of the async search API. The plan of a search is stored in the id that the client gets.

Therefore, any replica can rerank the final response when the client requests it, and es-rerank itself stores nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import quote

import structlog
from multidict import CIMultiDict

from es_rerank.errors import UpstreamError
from es_rerank.model import EngineReply, Plan, Rule, RuleMode, Search, Skip, Why, skipped
from es_rerank.pipeline import RankedWindow, SearchResult, decide, engine_order, page_result, rank_window
from es_rerank.search.engine_request.by_endpoint import EngineRequest, engine_request
from es_rerank.search.engine_request.widen import without_filter_path
from es_rerank.search.formats.async_search import AsyncSearchResponse, read, recall, token, write
from es_rerank.search.formats.decode import decode, wants_other_format
from es_rerank.search.formats.endpoints import Endpoint
from es_rerank.search.response.hits import NotASearchResponseError, keys
from es_rerank.search.response.hits import read as read_hits
from es_rerank.server.handlers.context import EngineSession, SearchCall, parsed_searches
from es_rerank.server.handlers.explained import Explainer
from es_rerank.server.handlers.filtering import filtered
from es_rerank.server.handlers.result import HandlerResult, internal_failure, pass_through, search_result

log = structlog.get_logger()

# The engine may also send the id in this header.
_ID_HEADER = "X-Elasticsearch-Async-Id"


async def submit(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Handle a submit request: return the reranked response if it is final, otherwise the engine's partial response."""
    parsed = parsed_searches(call)
    if isinstance(parsed, HandlerResult):
        return parsed
    (one,) = parsed
    search = decode(call.endpoint_request, one)
    if isinstance(search, Skip):
        return pass_through(search.why)
    plan = await decide(search, session.ports(_no_fetch), call.options)
    if isinstance(plan, Skip):
        return pass_through(plan.why)
    reply = await session.ask(engine_request(call.endpoint_request, search, plan))
    submitted = reply.status == HTTPStatus.OK
    return await _submitted(call, session, reply, plan) if submitted else pass_through(Why.ENGINE_ERROR)


async def _submitted(call: SearchCall, session: EngineSession, reply: EngineReply, plan: Plan) -> HandlerResult:
    """Return the response to a submitted search. Passing the client's request through would submit the search again."""
    if reply.body is None:
        raise UpstreamError("the search was submitted, but the response is too long, or its encoding is unknown")
    response = read(reply.body)
    if response is None:
        return HandlerResult(reply.body, (skipped(Why.ENGINE_ANSWER),), reply)
    answer = _answer(call, session, reply, response, plan)
    return await _with_fallback(call, answer, HandlerResult(reply.body, reply=reply))


async def follow(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Handle a poll, status or delete request. An id without a plan is the engine's own and is passed through."""
    request = call.endpoint_request
    recalled = recall(request.id, call.state.rules.named)
    if recalled is None:
        return HandlerResult(None)
    engine_id, plan = recalled
    head, slash, _ = request.path.rstrip("/").rpartition("/")
    path = f"{head}{slash}{quote(engine_id, safe='=')}"
    unchanged = HandlerResult(None, forward=EngineRequest(path, request.query_string, b""))
    if call.request.method != "GET" or wants_other_format(request):
        return unchanged
    reply = await session.ask(EngineRequest(path, without_filter_path(request.query_string), b""))
    response = None if reply.body is None else read(reply.body)
    if response is None:
        return unchanged
    return await _with_fallback(call, _answer(call, session, reply, response, plan), unchanged)


async def _with_fallback(call: SearchCall, answer: Awaitable[HandlerResult], fallback: HandlerResult) -> HandlerResult:
    """Return the reranked response, or *fallback* if es-rerank fails.

    The client's request must not be passed through unchanged: it would submit the search again, or has an id that the
    engine does not know.
    """
    try:
        return await answer
    except Exception:
        log.exception("search not reranked", path=call.request.path)
        return replace(fallback, outcomes=internal_failure().outcomes)


async def _answer(
    call: SearchCall, session: EngineSession, reply: EngineReply, response: AsyncSearchResponse, plan: Plan
) -> HandlerResult:
    """Return the response for the client, reranked if the engine's response is final.

    A partial response is only reduced to the page that the client requests. The deadline starts when the engine
    replies, because the client chose to wait for the search to finish.
    """
    call = replace(call, options=call.options.restarted(reply.ended))
    result = None
    if response.response:
        inner = replace(reply, body=response.response.of(response.body))
        result = await _result(call, session, inner, response.final, plan)
    client_id = token(response.id, plan) if response.id else None
    if client_id and _ID_HEADER in reply.headers:
        reply = replace(reply, headers=CIMultiDict(reply.headers))
        reply.headers[_ID_HEADER] = client_id
    whole = write(response, client_id, result.body if result else None)
    # If `filter_path` cannot be applied, return the full body: not every engine can return the response again.
    body = await filtered(call.endpoint_request, whole, reply) or whole
    if result is None:
        return HandlerResult(body, (skipped(Why.PARTIAL),) if _is_submit(call) else (), reply)
    return search_result(replace(result, reply=reply), body)


async def _result(
    call: SearchCall, session: EngineSession, reply: EngineReply, final: bool, plan: Plan
) -> SearchResult:
    """Return the page of hits: reranked, or in the engine's order if the hits are not final or must not be reranked."""
    if not final or plan.rule.mode is RuleMode.OFF or call.options.off:
        return engine_order(plan, reply, Why.OFF if final else Why.PARTIAL)
    why = None if _is_submit(call) else await _misfit(call, session, reply, plan)
    if why:
        return engine_order(plan, reply, why)
    explainer = Explainer(call, session)
    window = await rank_window(plan, reply, explainer.ports(_no_fetch), call.options)
    if isinstance(window, RankedWindow):
        return await explainer.explained(page_result(window))
    # The search cannot be submitted again with the client's own page.
    return engine_order(plan, reply, window.outcome.why or Why.ENGINE_ANSWER)


async def _misfit(call: SearchCall, session: EngineSession, reply: EngineReply, plan: Plan) -> Why | None:
    """Return the reason if the rule in an id does not apply to the hits of a response, otherwise None.

    A client could forge an id, so the rule is chosen again by the indices of the hits. If that is not the rule in the
    id, it is chosen by the index expression in the id, which the engine resolves for the caller.
    """
    if plan.rule.mode is RuleMode.SHADOW or not plan.rule.query_header:
        return Why.SHADOW if plan.rule.mode is RuleMode.SHADOW else Why.QUERY_HEADER
    try:
        names = tuple(dict.fromkeys(index for index, *_ in keys(read_hits(reply.body or b"").hits)))
    except NotASearchResponseError:
        return Why.ENGINE_ANSWER
    rule = call.state.rules.choose("", names) if names else plan.rule
    if isinstance(rule, Rule) and rule.name == plan.rule.name:
        return None
    resolved = await session.ports(_no_fetch).resolve_index(Search(plan.target, dict(plan.index_options)))
    if isinstance(resolved, Skip):
        return resolved.why
    rule, info = resolved
    return None if set(names) <= set(info.names) and rule.name == plan.rule.name else Why.RULES_DIFFER


def _is_submit(call: SearchCall) -> bool:
    """Return whether the request submits a search, so that the plan is not from an id, which a client could forge."""
    return call.endpoint_request.endpoint is Endpoint.ASYNC_SEARCH


async def _no_fetch(_plan: Plan) -> EngineReply:
    """Return an empty reply, because reranking an async search needs no further engine request."""
    return EngineReply()
