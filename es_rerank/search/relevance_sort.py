"""Checks whether the `sort` of a search body orders hits by relevance.

Format: `sort` in the search APIs of Elasticsearch and OpenSearch ("Sort search results").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def is_relevance_sort(sort: Any) -> bool:
    """Return whether a `sort` value orders hits by `_score`, descending, before any other criterion.

    The engines flatten the value into one list of criteria: `{"_score": "desc", "date": "asc"}` is the same as
    `["_score", {"date": "asc"}]`. Without a criterion (None, `[]`, `{}`, `[{}]`) they order hits by relevance.
    For an invalid value, False is returned, so that the request is passed on unchanged and gets the engine's error.

    Args:
        sort: The decoded `sort` of a search body or of a `standard` retriever; None if there is none.

    """
    name, order = next(_criteria(sort), ("_score", "desc"))
    if isinstance(order, dict):
        order = order.get("order", "desc")
    return name == "_score" and isinstance(order, str) and order.lower() == "desc"


def _criteria(sort: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each sort criterion as (field name, order). If only the field name is given, the order is `desc`."""
    for entry in sort if isinstance(sort, list) else [] if sort is None else [sort]:
        yield from entry.items() if isinstance(entry, dict) else [(entry, "desc")]
