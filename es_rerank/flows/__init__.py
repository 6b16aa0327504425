"""The ways of requests that are not just streamed: one row an endpoint, each a short story.

FLOWS carry searches and go over the pipeline; what is SHOWN has an answer that settings word otherwise.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from es_rerank.exchange import Exchange
from es_rerank.flows import asynchronous, inference, multi, presenting, rank_eval, single
from es_rerank.flows.done import Done

__all__ = ["FLOWS", "SHOWN", "Done", "Flow"]

Flow = Callable[[Exchange], Awaitable[Done]]
"""Answers the request of an exchange. Raises UpstreamError if the engine cannot be reached."""

FLOWS: Mapping[str, Flow] = {
    "_search": single.search,
    "_search/template": single.template,
    "_msearch": multi.search,
    "_msearch/template": multi.template,
    "_async_search": asynchronous.submit,
    "_async_search/{id}": asynchronous.follow,
    "_rank_eval": rank_eval.measure,
    "_inference/{id}": inference.rerank,
}
SHOWN: Mapping[str, Flow] = {
    "info": presenting.info,
    "_nodes": presenting.nodes,
    "_pit": presenting.point_in_time,
}
