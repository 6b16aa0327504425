"""The handlers of all endpoints whose requests or responses es-rerank may change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from es_rerank.search.formats.endpoints import Endpoint
from es_rerank.server.handlers import async_search, compat, inference, multi_search, rank_eval, search
from es_rerank.server.handlers.context import EngineSession, SearchCall
from es_rerank.server.handlers.result import HandlerResult

__all__ = ["HANDLERS", "EngineSession", "Handler", "HandlerResult", "SearchCall"]

Handler = Callable[[SearchCall, EngineSession], Awaitable[HandlerResult]]
"""Returns the result for a request. Raises UpstreamError if the engine cannot be reached."""

HANDLERS: Mapping[Endpoint, Handler] = {
    Endpoint.SEARCH: search.handle,
    Endpoint.SEARCH_TEMPLATE: search.handle,
    Endpoint.MULTI_SEARCH: multi_search.handle,
    Endpoint.MULTI_SEARCH_TEMPLATE: multi_search.handle,
    Endpoint.ASYNC_SEARCH: async_search.submit,
    Endpoint.ASYNC_SEARCH_ID: async_search.follow,
    Endpoint.RANK_EVAL: rank_eval.handle,
    Endpoint.INFERENCE: inference.handle,
    Endpoint.ROOT: compat.root,
    Endpoint.NODES: compat.nodes,
    Endpoint.POINT_IN_TIME: compat.point_in_time,
}
