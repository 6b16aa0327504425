"""Builds a query for documents with known index, id and routing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from es_rerank.model import HitKey

# Maximum number of groups, each of which adds a few clauses. The engines accept 1,024 clauses in a query.
_MAX_GROUPS = 200


def documents_query(hits: Sequence[HitKey]) -> dict[str, Any]:
    """Return a query that matches exactly these documents.

    Documents in different indices, and documents with different routing values, can have the same id. Each id is
    therefore matched together with its index and routing. With very many routing values, the query also matches
    documents that have the id of one hit and the routing of another, because the engines limit the clauses of a query.
    """
    if not hits:
        return {"match_none": {}}
    groups: dict[tuple[str, str], list[str]] = {}
    for index, id_, routing in hits:
        groups.setdefault((index, routing), []).append(id_)
    if len(groups) > _MAX_GROUPS:
        clauses = [
            _coarse(index, [hit for hit in hits if hit.index_name == index])
            for index in {hit.index_name for hit in hits}
        ]
    else:
        clauses = [_clause(index, ids, routing) for (index, routing), ids in groups.items()]
    return clauses[0] if len(clauses) == 1 else {"bool": {"should": clauses}}


def _clause(index: str, ids: Sequence[str], routing: str) -> dict[str, Any]:
    """Return a query for documents of one index that have a routing value, or have none if *routing* is empty."""
    documents: list[dict[str, Any]] = [{"term": {"_index": index}}, {"ids": {"values": ids}}]
    if routing:
        return {"bool": {"filter": [*documents, {"term": {"_routing": routing}}]}}
    return {"bool": {"filter": documents, "must_not": [{"exists": {"field": "_routing"}}]}}


def _coarse(index: str, hits: Sequence[HitKey]) -> dict[str, Any]:
    """Return a query for documents of one index that have the id of any of the hits and the routing of any of them."""
    ids, routings = (
        list(dict.fromkeys(values)) for values in ((hit.id for hit in hits), (hit.routing for hit in hits))
    )
    routed: dict[str, Any] = {"terms": {"_routing": [routing for routing in routings if routing]}}
    if "" in routings:
        routed = {"bool": {"should": [routed, {"bool": {"must_not": [{"exists": {"field": "_routing"}}]}}]}}
    return {"bool": {"filter": [{"term": {"_index": index}}, {"ids": {"values": ids}}, routed]}}
