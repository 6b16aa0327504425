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
from es_rerank.server.concurrency import compute
from es_rerank.server.handlers.context import EngineSession, SearchCall, parsed_searches
from es_rerank.server.handlers.explained import WindowRecorder, explained, wants_explanation
from es_rerank.server.handlers.filtering import filtered
from es_rerank.server.handlers.result import HandlerResult, is_strict_failure, pass_through, search_result


async def handle(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Handle a request with one search or one template."""
    parsed = parsed_searches(call)
    if isinstance(parsed, HandlerResult):
        return parsed
    request = call.endpoint_request
    search = decode(request, parsed[0], await render(session, parsed[0]))
    if isinstance(search, Skip):
        return pass_through(search.why)
    result = await _searched(call, session, search)
    is_plain_template = result.body is None and parsed[0].template is not None
    return replace(result, forward=plain_template(request, search)) if is_plain_template else result


async def _searched(call: SearchCall, session: EngineSession, search: Search) -> HandlerResult:
    """Run one search, and build the client's response."""
    write = ENGINE_REQUESTS[call.endpoint_request.endpoint].write

    async def fetch(plan: Plan) -> EngineReply:
        return await session.ask(write(call.endpoint_request, search, plan))

    async def timed(plan: Plan) -> EngineReply | Skip:
        return await call.state.engine_times.timed(call.endpoint_request.path, [plan], call.options, fetch(plan))

    ports = session.ports(timed)
    recorder = WindowRecorder(call, session) if wants_explanation(call.request.headers) else None
    result = await run(search, replace(ports, score=recorder.score) if recorder else ports, call.options)
    if result.body is None or result.reply is None:
        return HandlerResult(None, (result.outcome,), measurements=session.measurements(fetch, result.shadow))
    whole = result.body
    if recorder and result.window:
        # The author of a template decides which fields are shown.
        explain = partial(explained, with_text=not search.from_template)
        whole = await compute(len(whole), explain, whole, result.window, recorder.documents)
    body = await filtered(call.endpoint_request, whole, result.reply)
    if body is None:
        return pass_through(Why.ENGINE_ANSWER)
    if not is_strict_failure(result):
        await call.state.ubi_log.add(search, result, call.request.headers)
    return search_result(result, body)


async def render(session: EngineSession, parsed: ParsedSearch) -> bytes | None:
    """Render a search template with the engine; None if the search has no template or rendering fails."""
    if parsed.template is None:
        return None
    reply = await session.ask(EngineRequest("/_render/template", "", parsed.template), "POST")
    return None if reply.body is None else rendered(reply.body, parsed.template)
