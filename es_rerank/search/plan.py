"""Decides how to handle a search: returns a plan, or a skip with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from es_rerank.model import (
    FetchPhase,
    FetchSpec,
    IndexInfo,
    LongDocumentMode,
    Plan,
    RerankRequest,
    Rule,
    Search,
    Skip,
    Why,
)
from es_rerank.search.passages import SOURCE_FILTERS, choose_fields, extra_fields, requested_fields
from es_rerank.search.query_text.extract import may_have_text, query_text, typed_texts
from es_rerank.search.query_text.retrievers import rank_window_size
from es_rerank.search.relevance_sort import is_relevance_sort

DEFAULT_SIZE = 10
# Body members that limit how many hits are returned.
_RANKING_PARTS = frozenset({"rank", "retriever"})
# The engines store hit counts as 32-bit integers.
_MAX_HITS = 2**31 - 1
# Limited because each pattern is compared with each field of each hit.
_MAX_FIELD_PATTERNS = 1000

# Costly for every hit, so they are computed only for the page, in a separate fetch phase.
_COSTLY_PARTS = ("highlight", "script_fields", "explain")
_INNER_HITS = b'"inner_hits"'
# Only bodies made of these members return the same result in two phases as in one request. Members in the first set are
# sent in both phases, those in the second set only in the fetch phase.
_WINDOW_PARTS = frozenset(
    {
        "from",
        "indices_boost",
        "min_score",
        "post_filter",
        "query",
        "runtime_mappings",
        "seq_no_primary_term",
        "size",
        "sort",
        "timeout",
        "track_scores",
        "track_total_hits",
        "version",
        "_source",
    }
)
PAGE_PARTS = frozenset(
    {*_COSTLY_PARTS, "aggs", "aggregations", "docvalue_fields", "fields", "stored_fields", "suggest"}
)
# These change which hits match, or contain the body or parts of it.
_SINGLE_PHASE_PARAMETERS = frozenset({"search_pipeline", "source", "suggest_field", "terminate_after"})
# Minimum window size for two phases, as a multiple of `from + size`.
_MIN_WINDOW_RATIO = 2


def early(search: Search) -> Skip | None:
    """Return the skip of a search that cannot be reranked whatever its index, before any request to the engine."""
    return next((Skip(why) for why, applies in CHECKS if applies(search)), None)


def make(search: Search, rule: Rule, info: IndexInfo, *, two_phase: bool = True) -> Plan | Skip:
    """Plan a search whose rule and mapping are known. All pages are slices of one reranked window.

    Args:
        search: The search.
        rule: The rule of its indices.
        info: The names and field types of its indices.
        two_phase: Whether searches at this endpoint may be split into a query phase and a fetch phase.

    """
    query_texts = typed_texts(search, info)
    wanted = search.rerank_request or RerankRequest(query_text(query_texts))
    fields = wanted.fields or choose_fields(rule, info, query_texts)
    if not wanted.text or not fields:
        return Skip(Why.NO_TEXT_FIELDS if wanted.text else Why.NO_QUERY_TEXT)
    start, size = page(search)
    values = search.body.values
    limit = rank_window_size(values) if values.keys() & _RANKING_PARTS else None
    if limit is not None and start + size > limit:
        return Skip(Why.BEYOND_WINDOW)
    window = min(count for count in (rule.window, wanted.window, limit) if count is not None)
    plan = _with_page(
        Plan(
            text=wanted.text,
            start=start,
            size=size,
            fetch=FetchSpec(FetchPhase.WINDOW, 0, 0),
            window=window,
            rule=_with_request(rule, wanted),
            passage_fields=fields,
            client_fields=requested_fields(search),
            min_score=wanted.min_score,
            without_stored_fields=_excludes_stored_fields(search),
        ),
        wanted,
    )
    return _with_phases(plan, search, info, two_phase)


def _with_page(plan: Plan, wanted: RerankRequest) -> Plan:
    """Set which hits are fetched: the window and any page hits after it, or only a page beyond the window."""
    if wanted.window is not None:
        # Like native rerankers, an explicit rerank request returns only hits from its window.
        last = plan.window if wanted.min_score is not None else wanted.window
        plan = replace(plan, size=max(0, min(plan.size, last - plan.start)))
    elif plan.start >= plan.window:
        return replace(plan, fetch=FetchSpec(FetchPhase.WINDOW, plan.start, plan.size), window=0)
    return replace(plan, fetch=FetchSpec(FetchPhase.WINDOW, 0, max(plan.window, plan.start + plan.size)))


def _with_phases(plan: Plan, search: Search, info: IndexInfo, two_phase: bool) -> Plan | Skip:
    """Set whether the search has a separate query phase, or which extra fields are requested."""
    extra = extra_fields(search, plan.passage_fields)
    if two_phase and not plan.without_stored_fields and _is_two_phase(search, info, plan, needs_fields=bool(extra)):
        return replace(plan, fetch=replace(plan.fetch, phase=FetchPhase.QUERY))
    if extra and b'"top_hits"' in search.body.raw:
        return Skip(Why.TOP_HITS)
    return replace(plan, extra_fields=extra)


def _is_two_phase(search: Search, info: IndexInfo, plan: Plan, *, needs_fields: bool) -> bool:
    """Return whether a query phase and a fetch phase are cheaper than one request and return the same result.

    `needs_fields`: a single request would need extra fields. Two phases are used only for bodies made of known members,
    on indices in this cluster.
    """
    body = search.body
    costly = (
        any(body.values.get(part) for part in _COSTLY_PARTS)
        or search.params.get("explain") in {"", "true"}
        or _INNER_HITS in body.raw
    )
    small = 0 < (plan.start + plan.size) * _MIN_WINDOW_RATIO <= plan.window
    if not (needs_fields or (small and costly)):
        return False
    known = body.values.keys() <= _WINDOW_PARTS | PAGE_PARTS and not search.params.keys() & _SINGLE_PHASE_PARAMETERS
    return known and _has_index_names(info) and bool(body.values or "q" in search.params)


def _has_index_names(info: IndexInfo) -> bool:
    """Return whether index name and id identify a document: index names are known, and no index is remote."""
    return bool(info.names) and not any(":" in name for name in info.names)


def _with_request(rule: Rule, wanted: RerankRequest) -> Rule:
    """Return the rule with the request's explicit options. If the request names fields, the template is not used."""
    if wanted.chunks:
        rule = replace(rule, long=replace(rule.long, mode=LongDocumentMode.MAX_PASSAGE))
    return replace(rule, template=None) if wanted.fields else rule


def page(search: Search) -> tuple[int, int]:
    """Return `from` and `size`; URL parameters take precedence over the body.

    Raises:
        TypeError, ValueError, OverflowError: A value is not an integer.

    """
    start, size = (search.params.get(key, search.body.values.get(key)) for key in ("from", "size"))
    return _integer(start, 0), _integer(size, DEFAULT_SIZE)


def _integer(value: Any, default: int) -> int:
    """Convert a value to an integer as the engines do; unlike Python, they reject `1_0`."""
    if isinstance(value, str) and "_" in value:
        raise ValueError(value)
    return default if value is None else int(value)


def _is_sorted(search: Search) -> bool:
    """Return whether hits are sorted by anything other than descending `_score`."""
    if "sort" in search.params:
        first = search.params["sort"].split(",")[0].strip()
        return first not in {"", "_score", "_score:desc"}
    sort = search.body.values.get("sort")
    return sort is not None and not is_relevance_sort(sort)


def _has_invalid_page(search: Search) -> bool:
    """Return whether `from` or `size` is invalid. The engine then returns its own error."""
    try:
        start, size = page(search)
    except (TypeError, ValueError, OverflowError):
        return True
    return not (0 <= start <= _MAX_HITS and 0 <= size <= _MAX_HITS)


def _has(*names: str) -> Callable[[Search], bool]:
    """Return a check for whether any of these is set, as a body member or a URL parameter."""
    return lambda search: any(name in search.params or search.body.values.get(name) is not None for name in names)


def _is_walked(search: Search) -> bool:
    """Return whether a point in time has a `sort`: clients then use the sort values as `search_after` cursors."""
    return search.body.values.get("pit") is not None and (
        "sort" in search.params or bool(search.body.values.get("sort"))
    )


def _excludes_stored_fields(search: Search) -> bool:
    """Return whether the client wants hits without `_id` and `_source` (`stored_fields: _none_`)."""
    stored = search.params.get("stored_fields", search.body.values.get("stored_fields"))
    return stored in ("_none_", ["_none_"])


def _has_hit_parts(search: Search) -> bool:
    """Return whether hits have parts that need stored fields, or that the engines reject with `_none_`."""
    return _has("highlight", "fields", *SOURCE_FILTERS)(search) or _INNER_HITS in search.body.raw


# The first matching row is used. Searches with `slice`, or with a sorted point in time, export all hits and depend on
# the engine's order.
CHECKS: tuple[tuple[Why, Callable[[Search], bool]], ...] = (
    (Why.SCROLL, _has("scroll")),
    (Why.SEARCH_AFTER, _has("search_after")),
    (Why.SLICE, _has("slice")),
    (Why.POINT_IN_TIME, _is_walked),
    (Why.UNREADABLE, _has_invalid_page),
    (Why.UNREADABLE, lambda search: not isinstance(search.body.values.get("fields", []), list)),
    (Why.TOO_LARGE, lambda search: len(requested_fields(search)) > _MAX_FIELD_PATTERNS),
    (Why.SORT, _is_sorted),
    (Why.SIZE_ZERO, lambda search: page(search)[1] == 0),
    (Why.STORED_FIELDS, lambda search: _excludes_stored_fields(search) and _has_hit_parts(search)),
    (Why.NO_QUERY_TEXT, lambda search: not search.rerank_request and not may_have_text(search)),
)
