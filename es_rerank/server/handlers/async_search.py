"""Searches whose answer may come later: submit, then poll by an id. The plan travels in the id the client gets.

So the final answer is reranked whenever it comes and whichever replica is asked: nothing is kept here.
"""

from __future__ import annotations

import time
from dataclasses import replace
from urllib.parse import quote

from es_rerank.model import Plan, Skip, Why, skipped
from es_rerank.pipeline import Reply, decide, finish, page
from es_rerank.search.engine_request.by_endpoint import EngineRequest, engine_request
from es_rerank.search.engine_request.widen import unfiltered
from es_rerank.search.formats import endpoints
from es_rerank.search.formats.async_search import AsyncSearchResponse, read, recall, token, write
from es_rerank.server.handlers.context import Exchange
from es_rerank.server.handlers.result import HandlerResult, answered, pass_through

# The engine may put the id and whether it still searches into its head too.
_ID_HEADER = "X-Elasticsearch-Async-Id"


async def submit(exchange: Exchange) -> HandlerResult:
    """Answer a submit: the final answer if it is here already, else the engine's partial one."""
    found = endpoints.read(exchange.carried, exchange.body)
    if isinstance(found, Skip):
        return pass_through(found.why)
    if endpoints.other_answer(exchange.carried):
        return pass_through(Why.FORMAT)
    plan = await decide(found, exchange.effects(_never))
    if isinstance(plan, Skip):
        return pass_through(plan.why)
    answer = await exchange.ask(engine_request(exchange.carried, found, plan))
    if answer is None:
        return pass_through(Why.ENGINE_ERROR)
    wrapped = read(answer)
    # It has been submitted: to send it again would leave a search behind at the engine.
    return (
        HandlerResult(answer, (skipped(Why.ENGINE_ANSWER),))
        if wrapped is None
        else await _answer(exchange, wrapped, plan)
    )


async def follow(exchange: Exchange) -> HandlerResult:
    """Answer a poll, a status or a delete by an id; one without a plan in it is the engine's own."""
    carried = exchange.carried
    known = recall(carried.id, exchange.state.rules.named)
    if known is None:
        return HandlerResult(None)
    engine_id, plan = known
    head, slash, _ = carried.path.rstrip("/").rpartition("/")
    path = f"{head}{slash}{quote(engine_id, safe='=')}"
    as_it_came = HandlerResult(None, to=EngineRequest(path, carried.query_string, b""))
    if exchange.request.method != "GET" or endpoints.other_answer(carried):
        return as_it_came
    answer = await exchange.ask(EngineRequest(path, unfiltered(carried.query_string), b""))
    wrapped = None if answer is None else read(answer)
    return as_it_came if wrapped is None else await _answer(exchange, wrapped, plan)


async def _answer(exchange: Exchange, wrapped: AsyncSearchResponse, plan: Plan) -> HandlerResult:
    """Rerank a final answer; of a partial one only the page is cut. Time runs from here: the client chose to wait."""
    exchange.arrived = time.monotonic()
    inner = wrapped.response.of(wrapped.body) if wrapped.response else None
    reply = None if inner is None else await _reply(exchange, wrapped, inner, plan)
    ours = token(wrapped.id, plan) if wrapped.id else None
    if ours and _ID_HEADER in exchange.headers:
        exchange.headers[_ID_HEADER] = ours
    whole = write(wrapped, ours, reply.body if reply else None)
    # What cannot be cut stays whole here: not every engine gives the answer to a submit a second time.
    body = exchange.filtered(whole) or whole
    if reply is None:
        return HandlerResult(body, (skipped(Why.PARTIAL),) if exchange.carried.endpoint == "_async_search" else ())
    return answered(replace(reply, body=body))


async def _reply(exchange: Exchange, wrapped: AsyncSearchResponse, inner: bytes, plan: Plan) -> Reply:
    """Make the inner answer; a rule that is gone or off by now leaves the engine's order."""
    if not wrapped.final:
        return page(plan, inner, Why.PARTIAL)
    if plan.rule.mode == "off":
        return page(plan, inner, Why.OFF)
    return await finish(plan, inner, exchange.effects(_never))


async def _never(_plan: Plan) -> bytes | None:
    """Fetch nothing more: one answer holds it all."""
    return None
