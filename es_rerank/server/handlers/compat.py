"""Handles requests whose responses are rewritten for clients of another engine or version, such as `/`."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from es_rerank.compat import responses
from es_rerank.compat.dialects import DIALECTS
from es_rerank.model import EngineReply
from es_rerank.search.engine_request.by_endpoint import EngineRequest
from es_rerank.search.formats.decode import wants_other_format
from es_rerank.server.handlers.context import EngineSession, SearchCall
from es_rerank.server.handlers.result import HandlerResult

# Minimal Elasticsearch builds respond to `GET /` with one of these statuses.
_NO_ROOT_PAGE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
_LOCAL_NODE = EngineRequest("/_nodes/_local", "filter_path=cluster_name,nodes.*.name", b"")
_ROOT = EngineRequest("/", "", b"")
_OPENSEARCH_PIT = "/_search/point_in_time"


async def root(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Handle `GET /`: return the version in the setting `emulate`, even if the engine has no such endpoint."""
    dialect = DIALECTS[call.state.settings.emulate]
    if dialect is None or wants_other_format(call.endpoint_request):
        return HandlerResult(None)
    reply = await session.ask(_client_request(call))
    if reply.body is None and reply.status in _NO_ROOT_PAGE:
        node = await session.ask(_LOCAL_NODE)
        body = None if node.body is None else responses.root_response(node.body, dialect.version)
        return HandlerResult(body, reply=node)
    return _rewritten(reply, lambda body: responses.emulated_root(body, dialect.version))


async def nodes(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Handle `_nodes`: replace each node's address by es-rerank's, so that clients that sniff nodes keep using it."""
    if wants_other_format(call.endpoint_request):
        return HandlerResult(None)
    address = call.state.settings.publish_address or call.request.host
    return _rewritten(await session.ask(_client_request(call)), lambda body: responses.with_node_address(body, address))


async def point_in_time(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Open or close a point in time with Elasticsearch's API. For OpenSearch, convert the request and the response."""
    if not await _is_opensearch(call, session):
        return HandlerResult(None)
    index = call.endpoint_request.path.rstrip("/").removesuffix("/_pit")
    opens = call.request.method == "POST"
    try:
        body = call.body if opens else responses.to_opensearch_close_pit(call.body)
    except (ValueError, LookupError):
        return HandlerResult(None)
    request = EngineRequest(index + _OPENSEARCH_PIT, call.endpoint_request.query_string, body)
    if wants_other_format(call.endpoint_request):
        return HandlerResult(None, forward=request)
    rewrite = responses.from_opensearch_open_pit if opens else responses.from_opensearch_close_pit
    return _rewritten(await session.ask(request), rewrite, request)


def _client_request(call: SearchCall) -> EngineRequest:
    """Return the client's own request."""
    return EngineRequest(call.endpoint_request.path, call.endpoint_request.query_string, call.body)


def _rewritten(
    reply: EngineReply, rewrite: Callable[[bytes], bytes], forward: EngineRequest | None = None
) -> HandlerResult:
    """Return the result with the rewritten response, or the result that passes the request through after an error.

    If *rewrite* fails because the body has an unexpected format, the response is unchanged.
    """
    if reply.body is None:
        return HandlerResult(None, forward=forward)
    try:
        return HandlerResult(rewrite(reply.body), reply=reply)
    except (ValueError, LookupError, TypeError):
        return HandlerResult(reply.body, reply=reply)


async def _is_opensearch(call: SearchCall, session: EngineSession) -> bool:
    """Return whether the engine is OpenSearch, by `GET /` or, if that fails, by the missing product header."""
    engine = call.state.upstream
    if engine.distribution is None:
        reply = await session.ask(_ROOT, "GET")
        if reply.body is None:
            return not reply.elasticsearch
        engine.distribution = responses.distribution(reply.body)
    return engine.distribution == "opensearch"
