"""`_rank_eval`: measures the order that people see.

Each request is searched as any search is; then the engine is asked to evaluate what came back, so that its own code
computes every metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from es_rerank.model import Skip, Why, skipped
from es_rerank.pipeline import Reply
from es_rerank.search.engine_request.by_endpoint import EngineRequest
from es_rerank.search.engine_request.widen import INLINE, unfiltered, without
from es_rerank.search.formats import endpoints
from es_rerank.search.formats.rank_eval import Ranked, Request, ranked, read, too_many, write
from es_rerank.search.response.hits import read as read_answer
from es_rerank.server.handlers.context import Exchange
from es_rerank.server.handlers.result import HandlerResult, pass_through
from es_rerank.server.handlers.search import render, searched


async def measure(exchange: Exchange) -> HandlerResult:
    """Answer `_rank_eval`."""
    carried = exchange.carried
    content = endpoints.content(carried, exchange.body)
    requests = _requests(exchange, content)
    if isinstance(requests, HandlerResult):
        return requests
    replies = await exchange.in_turns(partial(_rated, exchange), requests)
    outcomes = tuple(one.outcome for one in replies)
    found = {at: ranked(_hits(one.body)) for at, one in enumerate(replies) if one.body is not None}
    if not found:
        return HandlerResult(None, outcomes)
    query_string = unfiltered(without(carried.query_string, INLINE))
    answer = await exchange.ask(EngineRequest(carried.path, query_string, write(content, found)))
    if answer is None:
        return pass_through(*(Why.ENGINE_ERROR for _ in outcomes))
    whole = exchange.filtered(answer)
    return pass_through(*(Why.ENGINE_ANSWER for _ in outcomes)) if whole is None else HandlerResult(whole, outcomes)


def _requests(exchange: Exchange, content: bytes) -> Sequence[Request] | HandlerResult:
    """Read the searches to be rated."""
    carried = exchange.carried
    if skip := endpoints.unreadable(carried, exchange.body):
        return pass_through(skip.why)
    if endpoints.other_answer(carried):
        return pass_through(Why.FORMAT)
    if too_many(content):
        return pass_through(Why.TOO_LARGE)
    return read(content) or pass_through(Why.UNREADABLE)


async def _rated(exchange: Exchange, request: Request) -> Reply:
    """Search one request as `_search` would, for as many hits as the metric looks at."""
    carried = exchange.carried
    raw = request.body if request.template is None else await render(exchange, request.template)
    params = {**carried.params, "size": str(request.size)}
    found = Skip(Why.UNREADABLE) if raw is None else endpoints.search(carried, carried.target, params, raw)
    return Reply(None, skipped(found.why)) if isinstance(found, Skip) else await searched(exchange, found)


def _hits(body: bytes) -> list[Ranked]:
    """List the hits of a page as the person sees them."""
    hits = read_answer(body).hits
    return [Ranked(hit.index, hit.id, hit.score or 0.0) for hit in hits]
