"""The ways of requests that carry searches: one row an endpoint, each a short story over the pipeline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from es_rerank.exchange import Exchange
from es_rerank.flows import asynchronous, inference, multi, rank_eval, single
from es_rerank.flows.done import Done

__all__ = ["FLOWS", "Done", "Flow"]

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
