"""The ways of requests that are not just streamed: one row an endpoint, each a short story.

FLOWS carry searches and go over the pipeline; what is SHOWN has an answer that settings word otherwise.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from es_rerank.server.handlers import async_search, compat, inference, multi_search, rank_eval, search
from es_rerank.server.handlers.context import Exchange
from es_rerank.server.handlers.result import HandlerResult

__all__ = ["FLOWS", "SHOWN", "Done", "Flow"]

Handler = Callable[[Exchange], Awaitable[HandlerResult]]
"""Answers the request of an exchange. Raises UpstreamError if the engine cannot be reached."""

HANDLERS: Mapping[str, Handler] = {
    "_search": search.search,
    "_search/template": search.template,
    "_msearch": multi_search.search,
    "_msearch/template": multi_search.template,
    "_async_search": async_search.submit,
    "_async_search/{id}": async_search.follow,
    "_rank_eval": rank_eval.measure,
    "_inference/{id}": inference.rerank,
}
COMPAT_HANDLERS: Mapping[str, Handler] = {
    "info": compat.info,
    "_nodes": compat.nodes,
    "_pit": compat.point_in_time,
}
