"""Requests whose answer is shown in another engine's words: what it is, which nodes it has, points in time."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from es_rerank.compat import responses
from es_rerank.compat.dialects import DIALECTS
from es_rerank.search.engine_request.by_endpoint import EngineRequest
from es_rerank.search.formats import endpoints
from es_rerank.server.handlers.context import Exchange
from es_rerank.server.handlers.result import HandlerResult

# Small distributions of Elasticsearch answer so.
_NO_SUCH_PAGE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
_NODE = EngineRequest("/_nodes/_local", "filter_path=cluster_name,nodes.*.name", b"")
_OPENSEARCH_PIT = "/_search/point_in_time"


async def info(exchange: Exchange) -> HandlerResult:
    """Answer `GET /` with the version that the setting names; for an engine that has no such page, by what it is."""
    dialect = DIALECTS[exchange.state.settings.emulate]
    if dialect is None:
        return HandlerResult(None)
    shown = await _shown(exchange, lambda body: responses.emulated_root(body, dialect.version))
    if shown.body is None and exchange.status in _NO_SUCH_PAGE:
        node = await exchange.ask(_NODE)
        named = None if node is None else responses.root_response(node, dialect.version)
        return shown if named is None else HandlerResult(named)
    return shown


async def nodes(exchange: Exchange) -> HandlerResult:
    """Answer `_nodes` with this endpoint's address for each node, so that clients that look for nodes stay here."""
    address = exchange.state.settings.publish_address or exchange.request.host
    return await _shown(exchange, lambda body: responses.with_node_address(body, address))


async def point_in_time(exchange: Exchange) -> HandlerResult:
    """Open or close a point in time as Elasticsearch's clients do, at an OpenSearch if one is behind."""
    if not await _opensearch(exchange):
        return HandlerResult(None)
    carried = exchange.carried
    index = carried.path.rstrip("/").removesuffix("/_pit")
    opens = exchange.request.method == "POST"
    try:
        body = exchange.body if opens else responses.to_opensearch_close_pit(exchange.body)
    except (ValueError, LookupError, RecursionError):
        return HandlerResult(None)
    to = EngineRequest(index + _OPENSEARCH_PIT, carried.query_string, body)
    convert = responses.from_opensearch_open_pit if opens else responses.from_opensearch_close_pit
    return await _shown(exchange, convert, to)


async def _shown(exchange: Exchange, show: Callable[[bytes], bytes], to: EngineRequest | None = None) -> HandlerResult:
    """Ask the engine and show its answer otherwise; an error, or what is no such answer, is the engine's own."""
    carried = exchange.carried
    as_it_came = HandlerResult(None, to=to)
    if endpoints.other_answer(carried):
        return as_it_came
    answer = await exchange.ask(to or EngineRequest(carried.path, carried.query_string, exchange.body))
    if answer is None:
        return as_it_came
    try:
        return HandlerResult(show(answer))
    except (ValueError, LookupError, TypeError, RecursionError):
        return HandlerResult(answer)


async def _opensearch(exchange: Exchange) -> bool:
    """Find out which engine is behind: what `GET /` says, or else whether it names Elasticsearch."""
    upstream = exchange.state.upstream
    if upstream.distribution is None:
        body = await exchange.ask(EngineRequest("/", "", b""), "GET")
        if body is None:
            return not exchange.elasticsearch
        upstream.distribution = responses.distribution(body)
    return upstream.distribution == "opensearch"
