"""Decides what is done for a Search: a Plan, or a Skip with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from es_rerank.model import IndexInfo, Plan, Rule, Search, Skip, Why
from es_rerank.search import filterpath
from es_rerank.search.passage import choose_fields, extra_fields
from es_rerank.search.query import query_text, said
from es_rerank.search.split import worth_it

DEFAULT_SIZE = 10


def early(search: Search) -> Skip | None:
    """Skip what its own words rule out, before anything is asked of the engine."""
    return next((Skip(why) for why, holds in CHECKS if holds(search)), None)


def make(search: Search, rule: Rule, info: IndexInfo) -> Plan | Skip:
    """Plan a Search whose rule and mapping are known. Pages are slices of one reranked window (design, 4)."""
    heard = said(search, info)
    text = query_text(heard)
    fields = choose_fields(rule, info, heard)
    if not text or not fields:
        return Skip(Why.NO_TEXT_FIELDS if text else Why.NO_QUERY_TEXT)
    start, size = page(search)
    inside = start < rule.window
    light = inside and worth_it(search, info, start + size, rule.window)
    return Plan(
        text=text,
        start=start,
        size=size,
        fetch_from=0 if inside else start,
        fetch_size=max(rule.window, start + size) if inside else size,
        window=rule.window if inside else 0,
        rule=rule,
        passage_fields=fields,
        extra_fields=() if light else extra_fields(search, fields),
        light=light,
    )


def page(search: Search) -> tuple[int, int]:
    """Read `from` and `size`; URL parameters stand above the body. Raises ValueError if they are no numbers."""
    start, size = (search.params.get(key, search.body.get(key)) for key in ("from", "size"))
    return _whole(start, 0), _whole(size, DEFAULT_SIZE)


def _whole(value: Any, default: int) -> int:
    """Read a number as the engines do, which know no `1_0`."""
    if isinstance(value, str) and "_" in value:
        raise ValueError(value)
    return default if value in (None, "") else int(value)


def _sorted_otherwise(search: Search) -> bool:
    """Tell whether the order is anything but relevance: no sort, or `_score` first and descending."""
    if "sort" in search.params:
        first: Any = search.params["sort"].split(",")[0].strip()
        return first not in {"", "_score", "_score:desc"}
    sort = search.body.get("sort")
    first = sort[0] if isinstance(sort, list) and sort else sort
    return bool(first) and not _by_score(first)


def _by_score(first: Any) -> bool:
    """Tell whether a sort criterion is `_score`, descending."""
    if isinstance(first, Mapping):
        if list(first) != ["_score"]:
            return False
        order = first["_score"]
        return bool((order.get("order", "desc") if isinstance(order, Mapping) else order) == "desc")
    return bool(first == "_score")


def _unpaged(search: Search) -> bool:
    """Tell whether the page cannot be read or is impossible: the engine words that error."""
    try:
        start, size = page(search)
    except (TypeError, ValueError, OverflowError):
        return True
    return start < 0 or size < 0


def _has(*names: str) -> Callable[[Search], bool]:
    """Make a check for a member of the body or a URL parameter."""
    return lambda search: any(name in search.params or search.body.get(name) is not None for name in names)


def _without_ids(search: Search) -> bool:
    """Tell whether stored fields are asked as `_none_`: nothing else can then be asked beside them."""
    stored = search.params.get("stored_fields", search.body.get("stored_fields"))
    return stored in ("_none_", ["_none_"])


# First match wins. `slice` cuts an export in parts, a PIT walk uses sort values as cursors: order is their contract.
CHECKS: tuple[tuple[Why, Callable[[Search], bool]], ...] = (
    (Why.SCROLL, _has("scroll")),
    (Why.SEARCH_AFTER, _has("search_after")),
    (Why.SLICE, _has("slice")),
    (Why.POINT_IN_TIME, _has("pit")),
    (Why.UNREADABLE, _unpaged),
    (Why.SORT, _sorted_otherwise),
    (Why.SIZE_ZERO, lambda search: page(search)[1] == 0),
    (Why.FILTER_PATH, lambda search: bool(filterpath.paths(search)) and not filterpath.readable(search)),
    (Why.STORED_FIELDS, _without_ids),
    (Why.NO_QUERY_TEXT, lambda search: not said(search, None)),
)
