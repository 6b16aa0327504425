"""Searches whose response may come later: submit, then poll by an id. The plan is carried in the client's id.

So the final response is reranked whenever it comes and whichever replica is asked: nothing is stored here.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from multidict import CIMultiDict

from es_rerank.model import EngineReply, Plan, RuleMode, Skip, Why, skipped
from es_rerank.pipeline import RankedWindow, SearchResult, decide, engine_order, page_result, rank_window
from es_rerank.search.engine_request.by_endpoint import EngineRequest, engine_request
from es_rerank.search.engine_request.widen import without_filter_path
from es_rerank.search.formats.async_search import AsyncSearchResponse, read, recall, token, write
from es_rerank.search.formats.endpoints import Endpoint, decode, wants_other_format
from es_rerank.server.handlers.context import EngineSession, SearchCall, filtered, parsed_searches
from es_rerank.server.handlers.result import HandlerResult, pass_through, search_result

# The engine may also send the id in this header.
_ID_HEADER = "X-Elasticsearch-Async-Id"


async def submit(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Answer a submit: with the final response if it is there already, otherwise with the engine's partial one."""
    parsed = parsed_searches(call)
    if isinstance(parsed, HandlerResult):
        return parsed
    search = decode(call.endpoint_request, parsed[0])
    if isinstance(search, Skip):
        return pass_through(search.why)
    plan = await decide(search, session.ports(_no_fetch), call.options)
    if isinstance(plan, Skip):
        return pass_through(plan.why)
    reply = await session.ask(engine_request(call.endpoint_request, search, plan))
    if reply.body is None:
        return pass_through(Why.ENGINE_ERROR)
    response = read(reply.body)
    if response is None:
        # It has been submitted: to send it again would leave a search behind in the engine.
        return HandlerResult(reply.body, (skipped(Why.ENGINE_ANSWER),), reply)
    return await _answer(call, session, reply, response, plan)


async def follow(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Answer a poll, a status request or a delete by an id; an id without a plan is the engine's own."""
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
    return unchanged if response is None else await _answer(call, session, reply, response, plan)


async def _answer(
    call: SearchCall, session: EngineSession, reply: EngineReply, response: AsyncSearchResponse, plan: Plan
) -> HandlerResult:
    """Rerank a final response; of a partial one only the page is cut.

    The deadline runs from the engine's reply: the client chose to wait for it.
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
    # A body that cannot be cut stays whole: not every engine returns the response to a submit a second time.
    body = filtered(call, whole, reply) or whole
    if result is None:
        submitted = call.endpoint_request.endpoint is Endpoint.ASYNC_SEARCH
        return HandlerResult(body, (skipped(Why.PARTIAL),) if submitted else (), reply)
    return search_result(replace(result, reply=reply), body)


async def _result(
    call: SearchCall, session: EngineSession, reply: EngineReply, final: bool, plan: Plan
) -> SearchResult:
    """Return the inner search response; a rule that is gone or off by now leaves the engine's order."""
    if not final or plan.rule.mode is RuleMode.OFF:
        return engine_order(plan, reply, Why.OFF if final else Why.PARTIAL)
    window = await rank_window(plan, reply, session.ports(_no_fetch), call.options)
    return page_result(window) if isinstance(window, RankedWindow) else window


async def _no_fetch(_plan: Plan) -> EngineReply:
    """Fetch nothing: the one response has everything."""
    return EngineReply()
