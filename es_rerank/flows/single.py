"""Requests with one search: `_search`, and `_search/template`, which the engine renders first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from es_rerank.exchange import Exchange
from es_rerank.flows.done import Done, answered, left_alone
from es_rerank.model import Plan, Search, Skip, Why
from es_rerank.pipeline import run
from es_rerank.search import endpoints
from es_rerank.search.template import inline, rendered, said
from es_rerank.search.widen import widen, widen_item, without

Ask = Callable[[Search, Plan], Awaitable[bytes | None]]
"""Asks the engine for the hits of a plan, at the endpoint that carried the search."""

_OURS = frozenset({"filter_path", "source", "source_content_type"})


async def search(exchange: Exchange) -> Done:
    """Answer `_search`."""
    carried = exchange.carried

    async def fetch(found: Search, plan: Plan) -> bytes | None:
        query_string, body = widen(carried.query_string, found, plan)
        return await exchange.ask(carried.path, query_string, body)

    return await _answer(exchange, endpoints.read(carried, exchange.body), fetch)


async def template(exchange: Exchange) -> Done:
    """Answer `_search/template`: what the template renders to is searched like any search.

    The engine is asked at the same endpoint, for its answers have a shape of their own.
    """
    carried = exchange.carried
    if endpoints.other_format(carried, exchange.body):
        return left_alone(Why.FORMAT)
    raw = await render(exchange, endpoints.content(carried, exchange.body))
    if raw is None:
        return left_alone(Why.UNREADABLE)

    async def fetch(found: Search, plan: Plan) -> bytes | None:
        query_string = without(carried.query_string, _OURS)
        return await exchange.ask(carried.path, query_string, inline(widen_item(found, plan)))

    return await _answer(exchange, endpoints.search(carried, carried.target, said(carried.params), raw), fetch)


async def render(exchange: Exchange, template: bytes) -> bytes | None:
    """Have the engine make a search body of a template; None if it does not."""
    answer = await exchange.ask("/_render/template", "", template, "POST")
    return None if answer is None else rendered(answer, template)


async def _answer(exchange: Exchange, found: Search | Skip, fetch: Ask) -> Done:
    """Run the pipeline, and cut what comes of it."""
    if isinstance(found, Skip):
        return left_alone(found.why)
    if endpoints.other_answer(exchange.carried):
        return left_alone(Why.FORMAT)
    reply = await run(found, exchange.effects(partial(fetch, found)))
    if reply.body is not None:
        reply = replace(reply, body=exchange.filtered(reply.body))
    return answered(reply)
