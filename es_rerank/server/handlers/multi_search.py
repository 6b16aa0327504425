"""Requests with many searches: `_msearch` and `_msearch/template`.

For any number of searches, the engine gets one `_msearch` for the query phase and one for the fetch phase. Each search
keeps its position and does not affect the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from es_rerank.model import EngineReply, Plan, Search, Skip, Why
from es_rerank.pipeline import (
    RankedWindow,
    SearchResult,
    decide,
    fetch_phase,
    joined_result,
    page_result,
    rank_window,
    skip_result,
)
from es_rerank.search.engine_request.by_endpoint import MULTI_REQUESTS, EngineRequest
from es_rerank.search.engine_request.widen import without_filter_path
from es_rerank.search.formats.decode import decode
from es_rerank.search.formats.endpoints import Endpoint, ParsedSearch
from es_rerank.search.formats.multi_search import MultiSearchResponse, responses, write
from es_rerank.server.concurrency import compute, gather_bounded
from es_rerank.server.handlers.context import EngineSession, SearchCall, parsed_searches
from es_rerank.server.handlers.explained import Explainer
from es_rerank.server.handlers.filtering import filtered
from es_rerank.server.handlers.part import Line, Part, within_limit
from es_rerank.server.handlers.result import (
    HandlerResult,
    error_response,
    is_strict_failure,
    pass_through,
)
from es_rerank.server.handlers.search import render
from es_rerank.server.handlers.traced import Fetch
from es_rerank.server.shadow import Measurement


@dataclass(frozen=True, slots=True)
class MultiReply:
    """The engine's reply to one `_msearch`, with the response of each search."""

    reply: EngineReply
    responses: MultiSearchResponse

    def of(self, index: int) -> EngineReply:
        """Return the reply to the search at a position; its body is None if the search failed."""
        return replace(self.reply, body=self.responses.success(index))


async def handle(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Handle a request with many searches or many templates."""
    parsed = parsed_searches(call)
    if isinstance(parsed, HandlerResult):
        return parsed
    parts = within_limit(await make_parts(call, session, parsed))
    query = await _first(call, session, parts)
    if not isinstance(query, MultiReply):
        return _unchanged(call, session, parts, query.why)
    results = await _results(call, session, parts, query)
    found = {index: _response(result, result.body) for index, result in enumerate(results) if result.body is not None}
    if len(found) < len(parts):
        # Send all searches again, because the engines reject a request in which no template can be rendered.
        unchanged = await _ask(session, _client_request(call), [part.own_line for part in parts])
        if isinstance(unchanged, Skip):
            return _unchanged(call, session, parts, unchanged.why)
        found = {index: unchanged.responses.response(index) for index in range(len(parts))} | found
    body = await filtered(call.endpoint_request, query.responses.with_responses(found), query.reply)
    if body is None:
        return _unchanged(call, session, parts, Why.ENGINE_ANSWER)
    for part, result in zip(parts, results, strict=True):
        if isinstance(part.search, Search) and not is_strict_failure(result):
            await call.state.ubi_log.add(part.search, result, call.request.headers)
    outcomes = tuple(result.outcome for result in results)
    return HandlerResult(body, outcomes, query.reply, measurements=measurements(call, session, parts))


async def make_parts(call: SearchCall, session: EngineSession, parsed: Sequence[ParsedSearch]) -> list[Part]:
    """Return each search of a request, decoded and with its plan. The engine renders search templates first."""
    return await gather_bounded(call.state.settings.reranker_max_requests, partial(_part, call, session), parsed)


async def ask_many(call: SearchCall, session: EngineSession, lines: Sequence[Line]) -> MultiReply | Skip:
    """Send many searches of a request to the engine as one `_msearch`.

    Args:
        call: The client's request.
        session: The client's engine session.
        lines: Header and body of each search.

    Returns:
        The reply, or a skip if it does not have a response for each search.

    """
    request = call.endpoint_request
    return await _ask(session, MULTI_REQUESTS[request.endpoint](request, b""), lines)


async def _ask(session: EngineSession, engine_request: EngineRequest, lines: Sequence[Line]) -> MultiReply | Skip:
    """Send an engine request with *lines* as its body. Return the reply, or a skip if a response is missing."""
    reply = await session.ask(engine_request._replace(body=write(lines)))
    found = None if reply.body is None else await compute(len(reply.body), responses, reply.body)
    return MultiReply(reply, found) if found and len(found.responses) == len(lines) else Skip(reply.why)


def _client_request(call: SearchCall) -> EngineRequest:
    """Return the path and query string of the client's request, without `filter_path`."""
    request = call.endpoint_request
    return EngineRequest(request.path, without_filter_path(request.query_string), b"")


async def _part(call: SearchCall, session: EngineSession, parsed: ParsedSearch) -> Part:
    """Return one search, decoded and with its plan. The engine renders a search template first."""
    body = await render(session, parsed) if parsed.template is not None else parsed.body
    search = decode(call.endpoint_request, parsed, body)
    if isinstance(search, Skip):
        return Part(parsed, body, search, search)

    async def fetch(plan: Plan) -> EngineReply:
        return await _fetch(call, session, Part(parsed, body, search, plan), plan)

    return Part(parsed, body, search, await decide(search, session.ports(fetch), call.options))


def _fetching(call: SearchCall, part: Part, session: EngineSession) -> Fetch:
    """Return the function that fetches one search in a session."""
    return partial(_fetch, call, session, part)


async def _fetch(call: SearchCall, session: EngineSession, part: Part, plan: Plan) -> EngineReply:
    """Return the reply to one search, which is sent in a separate request for a measurement after the response."""
    reply = await ask_many(call, session, [part.line(plan)])
    return reply.of(0) if isinstance(reply, MultiReply) else EngineReply(why=reply.why)


async def rank_part(
    call: SearchCall, session: EngineSession, part: Part, reply: EngineReply, explainer: Explainer | None = None
) -> RankedWindow | SearchResult:
    """Return the reranked window of a planned search, or the result of a search that is not reranked."""
    if isinstance(part.plan, Skip):
        return replace(skip_result(part.plan), body=reply.body if part.body is not None else None)
    ports = (explainer or session).ports(partial(_fetch, call, session, part))
    return await rank_window(part.plan, reply, ports, call.options)


async def _results(
    call: SearchCall, session: EngineSession, parts: Sequence[Part], query: MultiReply
) -> list[SearchResult]:
    """Return the result of each search after the query phase. One request has the fetch phases of all searches."""
    replies = await compute(len(query.responses.body), _replies, parts, query)
    for index, part in enumerate(parts):
        if isinstance(part.search, Search):
            call.state.window_limits.learn(part.search.target, query.responses.response(index))
    explainers = [Explainer(call, session, part.search) for part in parts]
    limit = call.state.settings.reranker_max_requests
    windows = await gather_bounded(limit, partial(rank_part, call, session), parts, replies, explainers)
    lines = {index: line for index in range(len(parts)) if (line := _second_line(call, parts[index], windows[index]))}
    second = await ask_many(call, session, list(lines.values())) if lines else Skip(Why.ENGINE_ERROR)
    position = {index: place for place, index in enumerate(lines)}
    size = len(query.responses.body) + (len(second.responses.body) if isinstance(second, MultiReply) else 0)
    results = await compute(size, _completed, windows, second, position)
    return [await explainer.explained(result) for explainer, result in zip(explainers, results, strict=True)]


async def _first(call: SearchCall, session: EngineSession, parts: Sequence[Part]) -> MultiReply | Skip:
    """Send all searches as planned. Return the reply, or a skip if no search has a plan or a response is missing."""
    plans = [part.plan for part in parts if isinstance(part.plan, Plan)]
    if not plans:
        return Skip(Why.ENGINE_ERROR)
    request = ask_many(call, session, [part.line() for part in parts])
    return await call.state.engine_times.timed(call.endpoint_request.path, plans, call.options, request)


def _replies(parts: Sequence[Part], query: MultiReply) -> list[EngineReply]:
    """Return the reply to each search. A search without a plan gets the engine's response, even an error."""
    return [
        query.of(index) if isinstance(part.plan, Plan) else replace(query.reply, body=query.responses.response(index))
        for index, part in enumerate(parts)
    ]


def _completed(
    windows: Sequence[RankedWindow | SearchResult], second: MultiReply | Skip, position: Mapping[int, int]
) -> list[SearchResult]:
    """Return the result of each search. *position* maps the index of a search to its index in the second request."""
    return [_result(window, second, position.get(index)) for index, window in enumerate(windows)]


def _second_line(call: SearchCall, part: Part, window: RankedWindow | SearchResult) -> Line | None:
    """Return the lines of a search for the second request: its fetch phase or, after a failure, the client's search."""
    if isinstance(window, RankedWindow):
        page = fetch_phase(window)
        return part.line(page) if page else None
    is_template = call.endpoint_request.endpoint is Endpoint.MULTI_SEARCH_TEMPLATE
    return part.own_line if window.body is None and not is_template else None


def _result(window: RankedWindow | SearchResult, second: MultiReply | Skip, position: int | None) -> SearchResult:
    """Return the result of one search. *position* is the index of its response to the second request, if it has one."""
    if position is None:
        return window if isinstance(window, SearchResult) else page_result(window)
    if isinstance(window, SearchResult):
        return replace(window, body=second.responses.response(position)) if isinstance(second, MultiReply) else window
    return joined_result(window, second.of(position) if isinstance(second, MultiReply) else EngineReply(why=second.why))


def _response(result: SearchResult, body: bytes) -> bytes:
    """Return the response of one search. With a strict rule, a failure becomes an error."""
    return error_response(result.outcome) if is_strict_failure(result) else body


def _unchanged(
    call: SearchCall, session: EngineSession, parts: Sequence[Part], why: Why = Why.ENGINE_ERROR
) -> HandlerResult:
    """Return the result that passes the whole request to the engine. *why* is the reason for searches with a plan."""
    reasons = (part.plan.why if isinstance(part.plan, Skip) else why for part in parts)
    result = pass_through(*reasons, measurements=measurements(call, session, parts))
    if not any(isinstance(part.search, Search) and part.search.without_reranker for part in parts):
        return result
    request = call.endpoint_request
    body = write([part.own_line for part in parts])
    return replace(result, forward=EngineRequest(request.path, request.query_string, body))


def measurements(call: SearchCall, session: EngineSession, parts: Sequence[Part]) -> tuple[Measurement, ...]:
    """Return the shadow measurements to run after the response."""
    return tuple(
        measurement
        for part in parts
        if isinstance(part.plan, Skip) and part.plan.shadow
        for measurement in session.measurements(partial(_fetching, call, part), part.plan.shadow)
    )
