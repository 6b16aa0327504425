"""Requests with many searches: `_msearch` and `_msearch/template`. Each keeps its place, and none touches another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

from es_rerank.model import Plan, Search, Skip, Why, skipped
from es_rerank.pipeline import Effects, Reply, decide, finish
from es_rerank.search.engine_request.by_endpoint import EngineRequest, searches_at
from es_rerank.search.engine_request.widen import unfiltered, widen_item
from es_rerank.search.formats import endpoints
from es_rerank.search.formats.multi_search import Item, MultiSearchResponse, options, read, responses, too_many, write
from es_rerank.server.handlers.context import Exchange
from es_rerank.server.handlers.result import HandlerResult, pass_through, rejection, wants_error
from es_rerank.server.handlers.search import render

# Stands in the place of a search that cannot be asked for, so that each answer has the place of its search.
_NOTHING = b'{"size":0,"query":{"match_none":{}}}'


@dataclass(frozen=True, slots=True)
class Part:
    """One search of the request: its lines as they came, its body as a search, and what will be done."""

    item: Item
    body: bytes | None
    found: Search | Skip
    plan: Plan | Skip


async def search(exchange: Exchange) -> HandlerResult:
    """Answer `_msearch`."""
    items = _items(exchange)
    return items if isinstance(items, HandlerResult) else await _answer(exchange, items, [item.body for item in items])


async def template(exchange: Exchange) -> HandlerResult:
    """Answer `_msearch/template`: each template is rendered, and then searched like any search."""
    items = _items(exchange)
    if isinstance(items, HandlerResult):
        return items
    bodies = await exchange.in_turns(partial(render, exchange), [item.body for item in items])
    return await _answer(exchange, items, bodies)


def _items(exchange: Exchange) -> list[Item] | HandlerResult:
    """Read the lines of the request."""
    carried = exchange.carried
    if skip := endpoints.unreadable(carried, exchange.body):
        return pass_through(skip.why)
    if endpoints.other_answer(carried):
        return pass_through(Why.FORMAT)
    if too_many(exchange.body):
        return pass_through(Why.TOO_LARGE)
    return read(exchange.body, carried.target) or pass_through(Why.UNREADABLE)


async def _answer(exchange: Exchange, items: Sequence[Item], bodies: Sequence[bytes | None]) -> HandlerResult:
    """Ask the engine for all searches at once, wider where they are planned, and the model for all of them."""
    parts = await exchange.in_turns(partial(_part, exchange), items, bodies)
    planned = any(isinstance(part.plan, Plan) for part in parts)
    first = await _ask(exchange, [_line(part) for part in parts]) if planned else None
    if first is None:
        return _as_they_came(parts)
    replies = await exchange.in_turns(partial(_reply, exchange, first), count(), parts)
    lost = [at for at, reply in enumerate(replies) if reply.body is None]
    found = {at: _element(reply, reply.body) for at, reply in enumerate(replies) if reply.body is not None}
    if lost:
        # All of them, for the engines refuse a request in which no template can be rendered.
        second = await _ask(exchange, [(item.header, item.body) for item in items], came=True)
        if second is None:
            return _as_they_came(parts)
        found |= {at: second.elements[at] for at in lost}
    whole = exchange.filtered(first.joined(found))
    if whole is None:
        return _as_they_came(parts, Why.ENGINE_ANSWER)
    return HandlerResult(whole, tuple(reply.outcome for reply in replies))


async def _ask(
    exchange: Exchange, lines: Sequence[tuple[bytes, bytes]], *, came: bool = False
) -> MultiSearchResponse | None:
    """Ask the engine; None unless it answers each search. `came`: at the path of the request itself."""
    carried = exchange.carried
    path = carried.path if came else searches_at(carried.path)
    answer = await exchange.ask(EngineRequest(path, unfiltered(carried.query_string), write(lines)))
    found = None if answer is None else responses(answer)
    return found if found and len(found.elements) == len(lines) else None


def _line(part: Part) -> tuple[bytes, bytes]:
    """Write the lines of a search for the engine: wider if it is planned."""
    if isinstance(part.plan, Plan) and isinstance(part.found, Search):
        return part.item.header, widen_item(part.found, part.plan)
    return part.item.header, part.body or _NOTHING


def _effects(exchange: Exchange, part: Part) -> Effects:
    """Let a search of many fetch by itself."""

    async def fetch(plan: Plan) -> bytes | None:
        if not isinstance(part.found, Search):
            return None
        answer = await _ask(exchange, [(part.item.header, widen_item(part.found, plan))])
        return answer.whole(0) if answer else None

    return exchange.effects(fetch)


async def _part(exchange: Exchange, item: Item, body: bytes | None) -> Part:
    """Read one search and decide what is done for it."""
    carried = exchange.carried
    found = (
        Skip(Why.UNREADABLE)
        if body is None
        else endpoints.search(carried, item.target, options(item, carried.params), body)
    )
    part = Part(item, body, found, found if isinstance(found, Skip) else Skip(Why.INTERNAL))
    if isinstance(found, Skip):
        return part
    return replace(part, plan=await decide(found, _effects(exchange, part)))


async def _reply(exchange: Exchange, first: MultiSearchResponse, at: int, part: Part) -> Reply:
    """Finish one search."""
    if isinstance(part.plan, Skip):
        return Reply(first.elements[at] if part.body is not None else None, skipped(part.plan.why))
    return await finish(part.plan, first.whole(at), _effects(exchange, part))


def _element(reply: Reply, body: bytes) -> bytes:
    """Write the answer of one search; a strict rule makes an error of a fault, in its place."""
    return rejection(reply.outcome) if wants_error(reply) else body


def _as_they_came(parts: Sequence[Part], why: Why = Why.ENGINE_ERROR) -> HandlerResult:
    """Leave the whole request to the engine; *why* is the reason of those that were planned."""
    return pass_through(*(part.plan.why if isinstance(part.plan, Skip) else why for part in parts))
