"""Builds a query for documents with known index and id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from es_rerank.model import HitKey


def documents_query(hits: Sequence[HitKey]) -> dict[str, Any]:
    """Return a query that matches exactly these documents.

    Documents in different indices can have the same id, so each id is matched together with its index.
    """
    by_index: dict[str, list[str]] = {}
    for index, id_ in hits:
        by_index.setdefault(index, []).append(id_)
    clauses: list[dict[str, Any]] = [
        {"bool": {"filter": [{"term": {"_index": index}}, {"ids": {"values": ids}}]}} for index, ids in by_index.items()
    ]
    return clauses[0] if len(clauses) == 1 else {"bool": {"should": clauses}}
