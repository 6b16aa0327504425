"""Searches with `ext.ubi`, whose hits are recorded by OpenSearch's plugin User Behavior Insights (UBI).

The plugin records the ids of the hits in each response, in their order, and adds `ext` to the response. The record must
have exactly the hits that the client gets. Therefore the query phase, which returns the whole window in the engine's
order, has no `ext`. The fetch phase has a `rescore` that puts the hits into the order for the client.

Format: https://docs.opensearch.org/latest/search-plugins/ubi/index/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from es_rerank.model import HitKey, Plan, Search, SearchBody
from es_rerank.search.documents import documents_query

_UBI = "ubi"
# Members of `ext.ubi` that are copied into the record.
_COPIED = ("query_id", "client_id", "application", "user_query")
# The engines accept 1,024 clauses in a query, nested ones included. Each hit needs up to five.
_MAX_HITS = 200


def is_recorded(body: SearchBody) -> bool:
    """Return whether a plugin records the hits of a search."""
    ext = body.values.get("ext")
    return isinstance(ext, dict) and _UBI in ext


def is_only_recorded(body: SearchBody) -> bool:
    """Return whether a plugin records the hits of a search, and `ext` has nothing for other plugins."""
    return is_recorded(body) and len(body.values["ext"]) == 1


def can_be_ordered(search: Search, size: int) -> bool:
    """Return whether the engine can return *size* hits of a search in a given order, and the response stays the same.

    The engines reject a `rescore` with a `sort`, and describe it in explanations.
    """
    names = search.params.keys() | {name for name, value in search.body.values.items() if value}
    return size <= _MAX_HITS and not names & {"sort", "explain"}


def ubi_record(plan: Plan, body: SearchBody, ids: Sequence[str]) -> dict[str, Any]:
    """Return the record of a search and its page, in the schema of UBI's queries.

    Format: `query.request.schema.json` of https://github.com/o19s/ubi, version 1.3.0.

    Args:
        plan: The plan of the search.
        body: The body of the search, whose `ext.ubi` may have more members of the record.
        ids: The ids of the hits that the client gets, in their order.

    """
    options = body.values["ext"][_UBI] if is_recorded(body) else {}
    given = options if isinstance(options, dict) else {}
    named = {name: given[name] for name in _COPIED if isinstance(given.get(name), str)}
    attributes = given.get("query_attributes")
    page = {"from": plan.start, "index": plan.target}
    return {
        "user_query": plan.text,
        **named,
        "query_attributes": {**(attributes if isinstance(attributes, dict) else {}), **page},
        "query_response_hit_ids": list(ids),
    }


def shown_order(hits: Sequence[HitKey]) -> dict[str, Any]:
    """Return a `rescore` that sorts hits in the order of *hits*. No other hits may match the query."""
    clauses = [
        {"constant_score": {"filter": documents_query([hit]), "boost": float(len(hits) - rank)}}
        for rank, hit in enumerate(hits)
    ]
    query = {"rescore_query": {"bool": {"should": clauses}}, "query_weight": 0.0, "rescore_query_weight": 1.0}
    return {"window_size": len(hits), "query": query}
