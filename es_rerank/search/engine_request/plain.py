"""Builds the client's request without the native rerankers in it, for searches that es-rerank does not rerank.

An engine without these rerankers rejects the client's own request. The searches of one `_msearch` or `_rank_eval` would
all fail if one of them names a reranker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from es_rerank.model import Search, Skip
from es_rerank.search.engine_request.by_endpoint import EngineRequest
from es_rerank.search.engine_request.widen import BODY_PARAMETERS, without_parameters
from es_rerank.search.formats import multi_search, rank_eval
from es_rerank.search.formats.decode import content, decode, may_have_reranker
from es_rerank.search.formats.endpoints import Endpoint, EndpointRequest, ParsedSearch
from es_rerank.search.formats.parse import parse
from es_rerank.search.formats.search_template import inline

Bodies = Mapping[int, bytes]
"""The new body of some searches of a request, by their position."""


def plain_request(request: EndpointRequest, body: bytes) -> EngineRequest | None:
    """Return the client's request without native rerankers that es-rerank replaces; None if it has none.

    Templates are not searched for rerankers, because only the engine can render them.

    Args:
        request: The client's request.
        body: Its decoded body.

    """
    write = _WRITERS.get(request.endpoint)
    if write is None or not may_have_reranker(content(request, body)):
        return None
    parsed = parse(request, body)
    if isinstance(parsed, Skip):
        return None
    changed = {
        position: search.body.raw
        for position, one in enumerate(parsed)
        if isinstance(search := decode(request, one), Search) and search.without_reranker
    }
    return write(request, body, parsed, changed) if changed else None


def plain_template(request: EndpointRequest, search: Search) -> EngineRequest | None:
    """Return a request for a rendered template without native rerankers; None if it has none."""
    if not search.without_reranker:
        return None
    return EngineRequest(request.path, _query_string(request), inline(search.body.raw))


def _one(request: EndpointRequest, _body: bytes, _parsed: Sequence[ParsedSearch], changed: Bodies) -> EngineRequest:
    """Write a request with one search."""
    return EngineRequest(request.path, _query_string(request), changed[0])


def _many(request: EndpointRequest, _body: bytes, parsed: Sequence[ParsedSearch], changed: Bodies) -> EngineRequest:
    """Write an `_msearch`."""
    lines = [(one.header or b"{}", changed.get(position, one.body)) for position, one in enumerate(parsed)]
    return EngineRequest(request.path, request.query_string, multi_search.write(lines))


def _rated(request: EndpointRequest, body: bytes, _parsed: Sequence[ParsedSearch], changed: Bodies) -> EngineRequest:
    """Write a `_rank_eval`."""
    return rated_request(request, body, changed)


def rated_request(request: EndpointRequest, body: bytes, changed: Bodies) -> EngineRequest:
    """Return a `_rank_eval` request in which some searches have another body."""
    return EngineRequest(request.path, _query_string(request), rank_eval.write(content(request, body), changed))


def _query_string(request: EndpointRequest) -> str:
    """Return the query string without the parameters that contain the body."""
    return without_parameters(request.query_string, BODY_PARAMETERS)


_WRITERS: Mapping[Endpoint, Callable[[EndpointRequest, bytes, Sequence[ParsedSearch], Bodies], EngineRequest]] = {
    Endpoint.SEARCH: _one,
    Endpoint.ASYNC_SEARCH: _one,
    Endpoint.MULTI_SEARCH: _many,
    Endpoint.RANK_EVAL: _rated,
}
