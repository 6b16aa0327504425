"""Decides whether a search has a query phase and a fetch phase, or is fetched in one request."""

from __future__ import annotations

from es_rerank.model import IndexInfo, Plan, Search
from es_rerank.search.recorded import can_be_ordered, is_only_recorded, is_recorded

# Members that are costly for every hit. They are computed only for the page, in a separate fetch phase.
_COSTLY_PARTS = ("highlight", "script_fields", "explain")
INNER_HITS = b'"inner_hits"'
# Only bodies made of these members return the same result in two phases as in one request. Members in the first set are
# sent in both phases, those in the second set only in the fetch phase.
WINDOW_PARTS = frozenset(
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
# URL parameters that change the hits of a search, or contain the body or parts of it.
_SINGLE_PHASE_PARAMETERS = frozenset({"search_pipeline", "source", "suggest_field", "terminate_after"})
# `inner_hits` are removed from the query phase level by level, so that each level of the body reads its text again.
_MAX_REWRITTEN_BYTES = 64 * 1024
# Minimum window size for two phases, as a multiple of `from + size`.
_MIN_WINDOW_RATIO = 2


def is_two_phase(search: Search, info: IndexInfo, plan: Plan, *, needs_fields: bool) -> bool:
    """Return whether a query phase and a fetch phase are cheaper than one request and return the same result.

    A search whose hits a plugin records always needs two phases, unless it keeps the engine's order.
    *needs_fields* is true if a single request would need extra fields. Two phases are used only for bodies that consist
    of known members, and for indices in this cluster.
    """
    body = search.body
    costly = (
        any(body.values.get(part) for part in _COSTLY_PARTS)
        or search.params.get("explain") in {"", "true"}
        or INNER_HITS in body.raw
    )
    small = 0 < (plan.start + plan.size) * _MIN_WINDOW_RATIO <= plan.window
    recorded = is_recorded(body)
    if not (needs_fields or (small and costly) or (recorded and plan.window)):
        return False
    if recorded and not (is_only_recorded(body) and can_be_ordered(search, plan.size)):
        return False
    if INNER_HITS in body.raw and len(body.raw) > _MAX_REWRITTEN_BYTES:
        return False
    parts = PAGE_PARTS | {"ext"} if recorded else PAGE_PARTS
    known = body.values.keys() <= WINDOW_PARTS | parts and not search.params.keys() & _SINGLE_PHASE_PARAMETERS
    return known and _has_index_names(info) and bool(body.values or "q" in search.params)


def _has_index_names(info: IndexInfo) -> bool:
    """Return whether index name and id identify a document: index names are known, and no index is remote."""
    return bool(info.names) and not any(":" in name for name in info.names)
