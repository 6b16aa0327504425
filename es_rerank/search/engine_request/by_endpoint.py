"""How a planned search is put to the engine: one row an endpoint, for the flows that do it and for `explain`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from es_rerank.model import Plan, Search
from es_rerank.search.engine_request.widen import INLINE, unfiltered, widen, widen_item, without
from es_rerank.search.formats.endpoints import EndpointRequest
from es_rerank.search.formats.search_template import inline

_TEMPLATE = "/template"
_RANK_EVAL = "_rank_eval"


class EngineRequest(NamedTuple):
    """What the engine is asked: the raw path, the query string and the body; of many searches, that of one line."""

    path: str
    query_string: str
    body: bytes

    @property
    def target(self) -> str:
        """Write path and query string as a request does."""
        return f"{self.path}?{self.query_string}" if self.query_string else self.path


class EngineRequestRow(NamedTuple):
    """One row; `splits` is whether the window may be fetched light, and the page in full after it."""

    write: Callable[[EndpointRequest, Search, Plan], EngineRequest]
    splits: bool = True


def _as_search(request: EndpointRequest, search: Search, plan: Plan) -> EngineRequest:
    """Ask at the same path."""
    return EngineRequest(request.path, *widen(request.query_string, search, plan))


def _as_template(request: EndpointRequest, search: Search, plan: Plan) -> EngineRequest:
    """Ask at the same path, whose answers have a shape of their own, with a template that renders to the search."""
    query_string = unfiltered(without(request.query_string, INLINE))
    return EngineRequest(request.path, query_string, inline(widen_item(search, plan)))


def _as_line(request: EndpointRequest, search: Search, plan: Plan) -> EngineRequest:
    """Ask for one of many; templates are rendered already."""
    return EngineRequest(searches_at(request.path), unfiltered(request.query_string), widen_item(search, plan))


def searches_at(path: str) -> str:
    """Name the path for searches beside one for templates."""
    return path.rstrip("/").removesuffix(_TEMPLATE)


def _to_be_rated(request: EndpointRequest, search: Search, plan: Plan) -> EngineRequest:
    """Ask for what will be rated, by a search of its own."""
    path = request.path.rstrip("/").removesuffix(_RANK_EVAL) + "_search"
    return EngineRequest(path, *widen(without(request.query_string, INLINE), search, plan))


ENGINE_REQUESTS: Mapping[str, EngineRequestRow] = {
    "_search": EngineRequestRow(_as_search),
    "_search/template": EngineRequestRow(_as_template),
    "_msearch": EngineRequestRow(_as_line),
    "_msearch/template": EngineRequestRow(_as_line),
    "_async_search": EngineRequestRow(_as_search, splits=False),
    "_rank_eval": EngineRequestRow(_to_be_rated, splits=False),
}


def engine_request(request: EndpointRequest, search: Search, plan: Plan) -> EngineRequest:
    """Write what the engine is asked for a planned search that *carried* brought."""
    return ENGINE_REQUESTS[request.endpoint].write(request, search, plan)
