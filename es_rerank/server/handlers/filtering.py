"""Applies the client's `filter_path` to responses."""

from __future__ import annotations

from functools import partial

from es_rerank.model import EngineReply
from es_rerank.search.formats.endpoints import Endpoint, EndpointRequest
from es_rerank.search.response.filter_path import cut, keeps, paths
from es_rerank.server.concurrency import compute

# The paths of the hits in responses. Endpoints that are not listed must always be reranked: the metrics of `_rank_eval`
# depend on hits that are not shown, and an async search may later be polled without a filter.
_HITS = {
    Endpoint.SEARCH: ("hits", "hits"),
    Endpoint.SEARCH_TEMPLATE: ("hits", "hits"),
    Endpoint.MULTI_SEARCH: ("responses", "hits", "hits"),
    Endpoint.MULTI_SEARCH_TEMPLATE: ("responses", "hits", "hits"),
}


def shows_no_hits(request: EndpointRequest) -> bool:
    """Return whether the client's `filter_path` removes all hits."""
    path = _HITS.get(request.endpoint)
    return path is not None and "filter_path" in request.params and not keeps(paths(request.params), path)


async def filtered(request: EndpointRequest, body: bytes, reply: EngineReply) -> bytes | None:
    """Return a response after the client's `filter_path` is applied; None if it cannot be applied.

    Empty objects on excluded paths are kept if the engine is Elasticsearch, and removed if it is OpenSearch.
    """
    params = request.params
    if "filter_path" not in params:
        return body
    return await compute(len(body), partial(cut, keeps_empty=reply.elasticsearch), body, paths(params))
