"""Requests with one search: `_search`, and `_search/template`, which the engine renders first."""

from __future__ import annotations

from dataclasses import replace

from es_rerank.model import Plan, Search, Skip, Why
from es_rerank.pipeline import Reply, run
from es_rerank.search.engine_request.by_endpoint import EngineRequest, engine_request
from es_rerank.search.formats import endpoints
from es_rerank.search.formats.search_template import rendered, said
from es_rerank.server.handlers.context import Exchange
from es_rerank.server.handlers.result import HandlerResult, answered, pass_through


async def search(exchange: Exchange) -> HandlerResult:
    """Answer `_search`."""
    return await _answer(exchange, endpoints.read(exchange.carried, exchange.body))


async def template(exchange: Exchange) -> HandlerResult:
    """Answer `_search/template`: what the template renders to is searched like any search."""
    carried = exchange.carried
    if skip := endpoints.unreadable(carried, exchange.body):
        return pass_through(skip.why)
    raw = await render(exchange, endpoints.content(carried, exchange.body))
    if raw is None:
        return pass_through(Why.UNREADABLE)
    return await _answer(exchange, endpoints.search(carried, carried.target, said(carried.params), raw))


async def render(exchange: Exchange, template: bytes) -> bytes | None:
    """Have the engine make a search body of a template; None if it does not."""
    answer = await exchange.ask(EngineRequest("/_render/template", "", template), "POST")
    return None if answer is None else rendered(answer, template)


async def searched(exchange: Exchange, found: Search) -> Reply:
    """Run the pipeline on a search, each request to the engine being what `sending` says of the endpoint."""

    async def fetch(plan: Plan) -> bytes | None:
        return await exchange.ask(engine_request(exchange.carried, found, plan))

    return await run(found, exchange.effects(fetch))


async def _answer(exchange: Exchange, found: Search | Skip) -> HandlerResult:
    """Answer with the page that comes of it, cut as asked."""
    if isinstance(found, Skip):
        return pass_through(found.why)
    if endpoints.other_answer(exchange.carried):
        return pass_through(Why.FORMAT)
    reply = await searched(exchange, found)
    if reply.body is not None:
        body = exchange.filtered(reply.body)
        if body is None:
            return pass_through(Why.ENGINE_ANSWER)
        reply = replace(reply, body=body)
    return answered(reply)
