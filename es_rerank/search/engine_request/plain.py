"""Builds the client's request without the native rerankers in it, for searches that es-rerank does not rerank.

An engine without these rerankers rejects the client's own request. If the request has many searches, and one of them
names a reranker, all of them would fail.
"""

from __future__ import annotations

from es_rerank.model import Search, Skip
from es_rerank.search.engine_request.by_endpoint import ENGINE_REQUESTS, EngineRequest, with_body
from es_rerank.search.formats.decode import content, decode, may_have_reranker
from es_rerank.search.formats.endpoints import EndpointRequest
from es_rerank.search.formats.parse import parse
from es_rerank.search.formats.search_template import inline


def plain_request(request: EndpointRequest, body: bytes) -> EngineRequest | None:
    """Return the client's request without the native rerankers that es-rerank replaces; None if it has no reranker.

    Templates are not searched for rerankers, because only the engine can render them.

    Args:
        request: The client's request.
        body: The decoded body of the request.

    """
    row = ENGINE_REQUESTS.get(request.endpoint)
    if row is None or row.write_plain is None or not may_have_reranker(body.strip() or content(request, body)):
        return None
    parsed = parse(request, body)
    if isinstance(parsed, Skip):
        return None
    changed = {
        position: search.body.raw
        for position, one in enumerate(parsed)
        if isinstance(search := decode(request, one), Search) and search.without_reranker
    }
    return row.write_plain(request, body, parsed, changed) if changed else None


def plain_template(request: EndpointRequest, search: Search) -> EngineRequest | None:
    """Return a request for a rendered template without its native rerankers; None if the template has no reranker."""
    if not search.without_reranker:
        return None
    return with_body(request, inline(search.body.raw))
