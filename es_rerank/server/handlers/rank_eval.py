"""`_rank_eval`: evaluates the reranked order.

All of its searches are sent as one `_msearch` and reranked. The engine then evaluates queries that return the reranked
hits, so that its own code computes every metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from es_rerank.model import EngineReply, Plan, Search, Skip, Why, skipped
from es_rerank.pipeline import RankedWindow, SearchResult, page_result, skip_result
from es_rerank.search.engine_request.by_endpoint import EngineRequest, rank_eval_with
from es_rerank.search.engine_request.widen import BODY_PARAMETERS, without_filter_path, without_parameters
from es_rerank.search.formats.decode import content
from es_rerank.search.formats.rank_eval import RankedHit, ranked, write
from es_rerank.search.response.hits import keys, read
from es_rerank.server.handlers.context import EngineSession, SearchCall, parsed_searches
from es_rerank.server.handlers.filtering import filtered
from es_rerank.server.handlers.multi_search import ask_many, make_parts, measurements, rank_windows
from es_rerank.server.handlers.part import Part
from es_rerank.server.handlers.result import HandlerResult


async def handle(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Handle a `_rank_eval` request."""
    request = call.endpoint_request
    parsed = parsed_searches(call)
    if isinstance(parsed, HandlerResult):
        return parsed
    parts = await make_parts(call, session, parsed)
    results = await _results(call, session, parts)
    outcomes = tuple(result.outcome for result in results)
    found = {index: ranked(_hits(result.body)) for index, result in enumerate(results) if result.body is not None}
    unchanged = HandlerResult(
        None, outcomes, forward=_plain(call, parts), measurements=measurements(call, session, parts)
    )
    if not found:
        return unchanged
    query_string = without_filter_path(without_parameters(request.query_string, BODY_PARAMETERS))
    body = write(content(request, call.body), _without_rerankers(parts) | found)
    reply = await session.ask(EngineRequest(request.path, query_string, body))
    whole = None if reply.body is None else filtered(call.endpoint_request, reply.body, reply)
    if whole is None:
        why = Why.ENGINE_ERROR if reply.body is None else Why.ENGINE_ANSWER
        return replace(unchanged, outcomes=tuple(skipped(why) for _ in outcomes))
    return replace(unchanged, body=whole, outcomes=outcomes, reply=reply, forward=None)


def _plain(call: SearchCall, parts: Sequence[Part]) -> EngineRequest | None:
    """Return the client's request without native rerankers; None if it has none."""
    changed = _without_rerankers(parts)
    return rank_eval_with(call.endpoint_request, call.body, changed) if changed else None


def _without_rerankers(parts: Sequence[Part]) -> dict[int, bytes]:
    """Return the body of each search from which a native reranker was removed."""
    searches = {index: part.search for index, part in enumerate(parts) if isinstance(part.search, Search)}
    return {index: search.body.raw for index, search in searches.items() if search.without_reranker}


async def _results(call: SearchCall, session: EngineSession, parts: list[Part]) -> list[SearchResult]:
    """Run and rerank all planned searches at once, each with the number of hits that the metric evaluates."""
    planned = [part for part in parts if isinstance(part.plan, Plan)]
    query = await ask_many(call, session, [part.line() for part in planned]) if planned else None
    replies = [query.of(index) if query else EngineReply() for index in range(len(planned))]
    windows = iter(await rank_windows(call, session, planned, replies))
    return [skip_result(part.plan) if isinstance(part.plan, Skip) else _result(next(windows)) for part in parts]


def _result(window: RankedWindow | SearchResult) -> SearchResult:
    """Return the client's page of one search."""
    return page_result(window) if isinstance(window, RankedWindow) else window


def _hits(body: bytes) -> list[RankedHit]:
    """Return the hits of a reranked page."""
    hits = read(body).hits
    return [RankedHit(key, hit.score or 0.0) for key, hit in zip(keys(hits), hits, strict=True)]
