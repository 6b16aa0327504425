"""Decides whether the `sort` of a search body orders hits by relevance.

Format: the `sort` of the search APIs of Elasticsearch and OpenSearch ("Sort search results").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def is_relevance_sort(sort: Any) -> bool:
    """Return whether a `sort` value means `_score`, descending, before any other criterion.

    The engines flatten the value into one list of criteria: `{"_score": "desc", "date": "asc"}` is the same as
    `["_score", {"date": "asc"}]`. Without a criterion (None, `[]`, `{}`, `[{}]`) they order hits by relevance.
    A value that they reject is not a relevance sort, so that the request stays as it is and gets the engine's error.

    Args:
        sort: the decoded `sort` of a search body or of a `standard` retriever, None if there is none.

    """
    name, order = next(_criteria(sort), ("_score", "desc"))
    if isinstance(order, dict):
        order = order.get("order", "desc")
    return bool(name == "_score" and order == "desc")


def _criteria(sort: Any) -> Iterator[tuple[Any, Any]]:
    """Iterate over the criteria in their order, as name and order; a name alone has the default order of `_score`."""
    for entry in sort if isinstance(sort, list) else [] if sort is None else [sort]:
        yield from entry.items() if isinstance(entry, dict) else [(entry, "desc")]
