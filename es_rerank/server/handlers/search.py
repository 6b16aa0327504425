"""Requests with one search: `_search`, and `_search/template`, which the engine renders first."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from es_rerank.model import EngineReply, Plan, Search, Skip, Why
from es_rerank.pipeline import run
from es_rerank.search.engine_request.by_endpoint import ENGINE_REQUESTS, EngineRequest
from es_rerank.search.engine_request.plain import plain_template
from es_rerank.search.formats.decode import decode
from es_rerank.search.formats.endpoints import ParsedSearch
from es_rerank.search.formats.search_template import rendered
from es_rerank.server.handlers.context import EngineSession, SearchCall, parsed_searches
from es_rerank.server.handlers.explained import Explainer
from es_rerank.server.handlers.filtering import filtered
from es_rerank.server.handlers.result import HandlerResult, is_strict_failure, pass_through, search_result
from es_rerank.server.handlers.traced import Fetch


async def handle(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Handle a request with one search or one template."""
    parsed = parsed_searches(call)
    if isinstance(parsed, HandlerResult):
        return parsed
    (one,), request = parsed, call.endpoint_request
    search = decode(request, one, await render(session, one))
    if isinstance(search, Skip):
        return pass_through(search.why)
    result = await _searched(call, session, search)
    is_plain_template = result.body is None and one.template is not None
    return replace(result, forward=plain_template(request, search)) if is_plain_template else result


async def _searched(call: SearchCall, session: EngineSession, search: Search) -> HandlerResult:
    """Run one search, and return the result with the client's response."""

    def fetch(own: EngineSession) -> Fetch:
        return partial(_fetched, call, own, search)

    async def timed(plan: Plan) -> EngineReply | Skip:
        reply = _fetched(call, session, search, plan)
        return await call.state.engine_times.timed(call.endpoint_request.path, [plan], call.options, reply)

    explainer = Explainer(call, session, search)
    result = await explainer.explained(await run(search, explainer.ports(timed), call.options))
    if result.body is None or result.reply is None:
        return HandlerResult(None, (result.outcome,), measurements=session.measurements(fetch, result.shadow))
    body = await filtered(call.endpoint_request, result.body, result.reply)
    if body is None:
        return pass_through(Why.ENGINE_ANSWER)
    if not is_strict_failure(result):
        await call.state.ubi_log.add(search, result, call.request.headers)
    return search_result(result, body)


async def _fetched(call: SearchCall, session: EngineSession, search: Search, plan: Plan) -> EngineReply:
    """Return the reply to the engine request of a plan."""
    write = ENGINE_REQUESTS[call.endpoint_request.endpoint].write
    return await session.ask(write(call.endpoint_request, search, plan))


async def render(session: EngineSession, parsed: ParsedSearch) -> bytes | None:
    """Return the body that the engine renders from a search template; None without a template or if rendering fails."""
    if parsed.template is None:
        return None
    reply = await session.ask(EngineRequest("/_render/template", "", parsed.template), "POST")
    return None if reply.body is None else rendered(reply.body, parsed.template)
