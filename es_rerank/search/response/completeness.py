"""Checks what a response for a larger window lacks, compared with the response to the client's own request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from es_rerank.jsonspan import Edit, decode_member
from es_rerank.model import FetchPhase, FetchSpec, Plan, Why
from es_rerank.search.response.hits import SearchResponse

# A single hit has nothing to reorder.
MIN_HITS = 2
# Types of shard failures that do not depend on the number of requested hits.
_UNAVAILABLE = frozenset(
    {
        "connect_transport_exception",
        "no_shard_available_action_exception",
        "node_disconnected_exception",
        "node_not_connected_exception",
        "unavailable_shards_exception",
    }
)


def unusable(response: SearchResponse, plan: Plan) -> Why | None:
    """Return why a response cannot be used, so that the client's own request must be sent; None if it can be used."""
    if lost_shards(response):
        return Why.ENGINE_ERROR
    if plan.counts_hits and not has_expected_hits(response, plan.fetch):
        return Why.SEARCH_PIPELINE
    # With so few hits there is nothing to reorder, so the client's own request returns the same as a fetch phase. On a
    # page beyond the window (`plan.window` is 0), there is still a `_score` to change.
    few = plan.window and plan.fetch.phase is FetchPhase.QUERY and len(response.hits) < MIN_HITS
    return Why.FEW_HITS if few and not (plan.hits_only and not response.hits) else None


def has_expected_hits(response: SearchResponse, fetch: FetchSpec) -> bool:
    """Return whether a response has as many hits as its total and the requested page imply.

    A search pipeline that es-rerank does not know of may have cut the list of hits, or changed the requested size.

    Args:
        response: The response.
        fetch: The hits that were requested.

    """
    count = len(response.hits)
    total, is_exact = _total(response)
    expected = count if total is None else max(0, min(fetch.size, total - fetch.from_))
    return count <= fetch.size and (count == expected if is_exact else count >= expected)


def lost_shards(response: SearchResponse) -> bool:
    """Return whether a shard failed, perhaps because of the larger window, so that the response lacks its hits.

    For example, indices have different `index.max_result_window`, or one more document cannot be highlighted.
    """
    failures = _shards(response).get("failures")
    return any(_type(failure) not in _UNAVAILABLE for failure in failures or ())


def carried_over(query: SearchResponse, fetch: SearchResponse) -> list[Edit]:
    """Return the edits that copy values about all matching hits from the query phase into the fetch phase's response.

    These values are the total and, if the query phase did not search all documents, `_shards` and `timed_out`.
    """
    spans = [(query.total, fetch.total)]
    if _is_partial(query):
        spans += [(query.shards, fetch.shards), (query.timed_out, fetch.timed_out)]
    return [(new.start, new.end, old.of(query.body)) for old, new in spans if old and new]


def _is_partial(response: SearchResponse) -> bool:
    """Return whether a shard has failed, or the search has reached the time limit of the client's `timeout`."""
    timed_out = response.timed_out and response.timed_out.of(response.body) == b"true"
    return bool(timed_out or _shards(response).get("failed"))


def _shards(response: SearchResponse) -> Mapping[str, Any]:
    """Return the decoded `_shards` of a response; empty if it is missing."""
    if response.shards is None:
        return {}
    (shards,) = decode_member([(response.body, {"_shards": response.shards})], "_shards")
    return shards if isinstance(shards, Mapping) else {}


def _type(failure: Any) -> Any:
    """Return the type of a shard's failure."""
    reason = failure.get("reason") if isinstance(failure, Mapping) else None
    return reason.get("type") if isinstance(reason, Mapping) else None


def _total(response: SearchResponse) -> tuple[int | None, bool]:
    """Return the number of matching hits (None if it is not in the response), and whether this number is exact."""
    if response.total is None:
        return None, True
    (total,) = decode_member([(response.body, {"total": response.total})], "total")
    if isinstance(total, Mapping):
        value = total.get("value")
        return (value if isinstance(value, int) else None), total.get("relation") == "eq"
    return (total if isinstance(total, int) and total >= 0 else None), False
