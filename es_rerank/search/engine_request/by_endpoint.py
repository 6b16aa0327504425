"""How a planned search is put to the engine: one row an endpoint, for the flows that do it and for `explain`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from es_rerank.model import Plan, Search
from es_rerank.search.engine_request.widen import INLINE, unfiltered, widen, widen_item, without
from es_rerank.search.formats.endpoints import Carried
from es_rerank.search.formats.search_template import inline

_TEMPLATE = "/template"
_RANK_EVAL = "_rank_eval"


class Sent(NamedTuple):
    """What the engine is asked: the raw path, the query string and the body; of many searches, that of one line."""

    path: str
    query_string: str
    body: bytes

    @property
    def target(self) -> str:
        """Write path and query string as a request does."""
        return f"{self.path}?{self.query_string}" if self.query_string else self.path


class Sending(NamedTuple):
    """One row; `splits` is whether the window may be fetched light, and the page in full after it."""

    write: Callable[[Carried, Search, Plan], Sent]
    splits: bool = True


def _as_search(carried: Carried, search: Search, plan: Plan) -> Sent:
    """Ask at the same path."""
    return Sent(carried.path, *widen(carried.query_string, search, plan))


def _as_template(carried: Carried, search: Search, plan: Plan) -> Sent:
    """Ask at the same path, whose answers have a shape of their own, with a template that renders to the search."""
    query_string = unfiltered(without(carried.query_string, INLINE))
    return Sent(carried.path, query_string, inline(widen_item(search, plan)))


def _as_line(carried: Carried, search: Search, plan: Plan) -> Sent:
    """Ask for one of many; templates are rendered already."""
    return Sent(searches_at(carried.path), unfiltered(carried.query_string), widen_item(search, plan))


def searches_at(path: str) -> str:
    """Name the path for searches beside one for templates."""
    return path.rstrip("/").removesuffix(_TEMPLATE)


def _to_be_rated(carried: Carried, search: Search, plan: Plan) -> Sent:
    """Ask for what will be rated, by a search of its own."""
    path = carried.path.rstrip("/").removesuffix(_RANK_EVAL) + "_search"
    return Sent(path, *widen(without(carried.query_string, INLINE), search, plan))


SENDING: Mapping[str, Sending] = {
    "_search": Sending(_as_search),
    "_search/template": Sending(_as_template),
    "_msearch": Sending(_as_line),
    "_msearch/template": Sending(_as_line),
    "_async_search": Sending(_as_search, splits=False),
    "_rank_eval": Sending(_to_be_rated, splits=False),
}


def sent(carried: Carried, search: Search, plan: Plan) -> Sent:
    """Write what the engine is asked for a planned search that *carried* brought."""
    return SENDING[carried.endpoint].write(carried, search, plan)
