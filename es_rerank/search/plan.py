"""Decides what is done for a Search: a Plan, or a Skip with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from es_rerank.model import IndexInfo, Plan, RerankRequest, Rule, Search, Skip, Why
from es_rerank.search.engine_request.two_phase import two_phase_applies
from es_rerank.search.passages import SOURCE_FILTERS, choose_fields, extra_fields, requested_fields
from es_rerank.search.query_text.extract import may_have_text, query_text, typed_texts
from es_rerank.search.query_text.retrievers import rank_window_size
from es_rerank.search.relevance_sort import is_relevance_sort

DEFAULT_SIZE = 10
# As far as the engines count hits.
_MOST_HITS = 2**31 - 1
# Each pattern of fields is held against each field and hit; no view has that many.
_MOST_ASKED = 1000


def early(search: Search) -> Skip | None:
    """Skip what its own words rule out, before anything is asked of the engine."""
    return next((Skip(why) for why, holds in CHECKS if holds(search)), None)


def make(search: Search, rule: Rule, info: IndexInfo, *, two_phase: bool = True) -> Plan | Skip:
    """Plan a Search whose rule and mapping are known. Pages are slices of one reranked window (design, 4).

    `two_phase`: whether the window may be fetched light, and the page in full after it.
    """
    texts = typed_texts(search, info)
    rerank_request = search.rerank_request or RerankRequest(query_text(texts))
    fields = rerank_request.fields or choose_fields(rule, info, texts)
    if not rerank_request.text or not fields:
        return Skip(Why.NO_TEXT_FIELDS if rerank_request.text else Why.NO_QUERY_TEXT)
    start, size = page(search)
    most = rank_window_size(search.body) if {"retriever", "rank"} & search.body.keys() else None
    if most is not None and start + size > most:
        return Skip(Why.BEYOND_WINDOW)
    plan = Plan(
        text=rerank_request.text,
        start=start,
        size=size,
        fetch_from=0,
        fetch_size=0,
        window=min(one for one in (rule.window, rerank_request.window, most) if one is not None),
        rule=_asked_of(rule, rerank_request),
        passage_fields=fields,
        asked_fields=requested_fields(search),
        min_score=rerank_request.min_score,
        bare=_without_ids(search),
    )
    plan = _paged(plan, rerank_request)
    extra = extra_fields(search, fields)
    if two_phase and not plan.bare and two_phase_applies(search, info, plan, beside=bool(extra)):
        return replace(plan, light=True)
    return Skip(Why.TOP_HITS) if extra and b'"top_hits"' in search.raw else replace(plan, extra_fields=extra)


def _paged(plan: Plan, rerank_request: RerankRequest) -> Plan:
    """Say which hits are fetched: the window and what the page needs after it, or a page beyond it as it is."""
    if rerank_request.window is not None:
        # A reranker asked for by name gives what it read and no more.
        last = plan.window if rerank_request.min_score is not None else rerank_request.window
        plan = replace(plan, size=max(0, min(plan.size, last - plan.start)))
    elif plan.start >= plan.window:
        return replace(plan, fetch_from=plan.start, fetch_size=plan.size, window=0)
    return replace(plan, fetch_size=max(plan.window, plan.start + plan.size))


def _asked_of(rule: Rule, rerank_request: RerankRequest) -> Rule:
    """Put what the request asks by name into the rule; a field asked for by name has no place in its template."""
    if rerank_request.chunks:
        rule = replace(rule, long=replace(rule.long, mode="max_passage"))
    return replace(rule, template=None) if rerank_request.fields else rule


def page(search: Search) -> tuple[int, int]:
    """Read `from` and `size`; URL parameters stand above the body. Raises ValueError if they are no numbers."""
    start, size = (search.params.get(key, search.body.get(key)) for key in ("from", "size"))
    return _whole(start, 0), _whole(size, DEFAULT_SIZE)


def _whole(value: Any, default: int) -> int:
    """Read a number as the engines do, which know no `1_0`."""
    if isinstance(value, str) and "_" in value:
        raise ValueError(value)
    return default if value is None else int(value)


def _sorted_otherwise(search: Search) -> bool:
    """Tell whether the order is anything but relevance: no sort, or `_score` first and descending."""
    if "sort" in search.params:
        first: Any = search.params["sort"].split(",")[0].strip()
        return first not in {"", "_score", "_score:desc"}
    sort = search.body.get("sort")
    return sort is not None and not is_relevance_sort(sort)


def _unpaged(search: Search) -> bool:
    """Tell whether the page cannot be read or is impossible: the engine words that error."""
    try:
        start, size = page(search)
    except (TypeError, ValueError, OverflowError):
        return True
    return not (0 <= start <= _MOST_HITS and 0 <= size <= _MOST_HITS)


def _has(*names: str) -> Callable[[Search], bool]:
    """Make a check for a member of the body or a URL parameter."""
    return lambda search: any(name in search.params or search.body.get(name) is not None for name in names)


def _walked(search: Search) -> bool:
    """Tell whether a point in time is walked: whoever sorts it means the sort values as cursors."""
    return search.body.get("pit") is not None and ("sort" in search.params or bool(search.body.get("sort")))


def _without_ids(search: Search) -> bool:
    """Tell whether stored fields are asked as `_none_`."""
    stored = search.params.get("stored_fields", search.body.get("stored_fields"))
    return stored in ("_none_", ["_none_"])


def _with_more(search: Search) -> bool:
    """Tell whether hits shall hold parts that look at stored fields themselves, or that engines refuse beside them."""
    return _has("highlight", "fields", *SOURCE_FILTERS)(search) or b'"inner_hits"' in search.raw


# First match wins. `slice` cuts an export in parts, a PIT walk uses sort values as cursors: order is their contract.
CHECKS: tuple[tuple[Why, Callable[[Search], bool]], ...] = (
    (Why.SCROLL, _has("scroll")),
    (Why.SEARCH_AFTER, _has("search_after")),
    (Why.SLICE, _has("slice")),
    (Why.POINT_IN_TIME, _walked),
    (Why.UNREADABLE, _unpaged),
    (Why.UNREADABLE, lambda search: not isinstance(search.body.get("fields", []), list)),
    (Why.TOO_LARGE, lambda search: len(requested_fields(search)) > _MOST_ASKED),
    (Why.SORT, _sorted_otherwise),
    (Why.SIZE_ZERO, lambda search: page(search)[1] == 0),
    (Why.STORED_FIELDS, lambda search: _without_ids(search) and _with_more(search)),
    (Why.NO_QUERY_TEXT, lambda search: not search.rerank_request and not may_have_text(search)),
)
