"""`_rank_eval`: evaluates the reranked order.

The searches in the request are sent as one `_msearch`, or as several if they fetch many hits, and are reranked. The
engine then evaluates queries that return the reranked hits, so that its own code computes every metric.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from es_rerank.model import EngineReply, Outcome, Plan, Search, Skip, Why, skipped
from es_rerank.pipeline import RankedWindow, SearchResult
from es_rerank.search.engine_request.by_endpoint import EngineRequest, rank_eval_with
from es_rerank.search.engine_request.widen import BODY_PARAMETERS, without_filter_path, without_parameters
from es_rerank.search.formats.decode import content
from es_rerank.search.formats.rank_eval import RankedHit, ranked, write
from es_rerank.search.response.hits import keys
from es_rerank.search.response.rewrite import page
from es_rerank.server.concurrency import compute, gather_bounded
from es_rerank.server.handlers.context import EngineSession, SearchCall, parsed_searches
from es_rerank.server.handlers.filtering import filtered
from es_rerank.server.handlers.multi_search import ask_many, make_parts, measurements, rank_part
from es_rerank.server.handlers.part import MAX_ADDED_HITS, Part
from es_rerank.server.handlers.result import HandlerResult


@dataclass(frozen=True, slots=True)
class _Rated:
    """The outcome of one search, and the query with which the engine returns its reranked page.

    If the query is None, the engine evaluates the client's own query.
    """

    outcome: Outcome
    query: bytes | None = None


async def handle(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Handle a `_rank_eval` request: let the engine evaluate queries that return the reranked hits of each search."""
    request = call.endpoint_request
    parsed = parsed_searches(call)
    if isinstance(parsed, HandlerResult):
        return parsed
    parts = await make_parts(call, session, parsed)
    results = await _results(call, session, parts)
    outcomes = tuple(result.outcome for result in results)
    found = {index: result.query for index, result in enumerate(results) if result.query is not None}
    unchanged = HandlerResult(
        None, outcomes, forward=_plain(call, parts), measurements=measurements(call, session, parts)
    )
    if not found:
        return unchanged
    query_string = without_filter_path(without_parameters(request.query_string, BODY_PARAMETERS))
    body = write(content(request, call.body), _without_rerankers(parts) | found)
    reply = await session.ask(EngineRequest(request.path, query_string, body))
    whole = None if reply.body is None else await filtered(call.endpoint_request, reply.body, reply)
    if whole is None:
        why = reply.why if reply.body is None else Why.ENGINE_ANSWER
        return replace(unchanged, outcomes=tuple(skipped(why) for _ in outcomes))
    return replace(unchanged, body=whole, outcomes=outcomes, reply=reply, forward=None)


def _plain(call: SearchCall, parts: Sequence[Part]) -> EngineRequest | None:
    """Return the client's request without native rerankers; None if it has no native rerankers."""
    changed = _without_rerankers(parts)
    return rank_eval_with(call.endpoint_request, call.body, changed) if changed else None


def _without_rerankers(parts: Sequence[Part]) -> dict[int, bytes]:
    """Return the bodies of the searches from which native rerankers were removed, by the index of the search."""
    searches = {index: part.search for index, part in enumerate(parts) if isinstance(part.search, Search)}
    return {index: search.body.raw for index, search in searches.items() if search.without_reranker}


async def _results(call: SearchCall, session: EngineSession, parts: Sequence[Part]) -> list[_Rated]:
    """Send the planned searches to the engine and rerank them. Return the outcome and the query of each search."""
    rated: list[_Rated] = []
    for batch in _batches([part for part in parts if isinstance(part.plan, Plan)]):
        query = await ask_many(call, session, [part.line() for part in batch])
        if isinstance(query, Skip):
            rated += [_Rated(skipped(query.why))] * len(batch)
            continue
        replies = [query.of(index) for index in range(len(batch))]
        limit = call.state.settings.reranker_max_requests
        rated += await gather_bounded(limit, partial(_rated, call, session), batch, replies)
    remaining = iter(rated)
    return [_Rated(skipped(part.plan.why)) if isinstance(part.plan, Skip) else next(remaining) for part in parts]


def _batches(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Split searches into requests to the engine, so that the hits of all searches are not in memory at once."""
    batch: list[Part] = []
    hits = 0
    for part in parts:
        size = part.plan.fetch.size if isinstance(part.plan, Plan) else 0
        if batch and hits + size > MAX_ADDED_HITS:
            yield batch
            batch, hits = [], 0
        batch.append(part)
        hits += size
    if batch:
        yield batch


async def _rated(call: SearchCall, session: EngineSession, part: Part, reply: EngineReply) -> _Rated:
    """Rerank one search. Return its outcome, and a query that returns the reranked hits of its page."""
    window = await rank_part(call, session, part, reply)
    if isinstance(window, SearchResult):
        return _Rated(window.outcome)
    return _Rated(window.outcome, await compute(len(window.response.body), _query, window))


def _query(window: RankedWindow) -> bytes:
    """Return a query that returns the reranked hits of the page with their scores."""
    hits = page(window.response, window.plan, window.ranking)
    scores = [hit.hit.score or 0.0 if hit.score is None else hit.score for hit in hits]
    return ranked([RankedHit(key, score) for key, score in zip(keys([hit.hit for hit in hits]), scores, strict=True)])
