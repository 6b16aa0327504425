"""Finds the parts of a search whose result depends on `size`, so that a larger window would change totals and hits.

Elasticsearch's `knn`, as a query or as a member of the body, finds as many nearest neighbors as the request has `size`,
unless it has its own `k`. So does a `semantic` query on a dense vector. The engine's plugins read `ext` and may do
anything with the requested page: diversify it, or send it to a model. Only if `ext` is for the plugin that records the
page can the window be larger than the page; see `recorded`.

Format: "Knn query" and "Semantic query" in the query DSL of Elasticsearch.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

from es_rerank.jsonspan import decode
from es_rerank.model import SearchBody
from es_rerank.search.query_text.terms import listed
from es_rerank.search.recorded import is_only_recorded

# A body without any of these strings has no clause that uses `size`. The name of a clause may also be written with
# escape sequences, or be in the encoded query of a `wrapper`.
_MARKS = (b"knn", b"semantic", b"wrapper", b"\\u")


def depends_on_size(body: SearchBody) -> bool:
    """Return whether hits, totals or aggregations of a search body depend on its `size`."""
    if body.values.get("ext") and not is_only_recorded(body):
        return True
    return any(mark in body.raw for mark in _MARKS) and any(_takes_size(*member) for member in _members(body.values))


def _takes_size(name: str, value: Any) -> bool:
    """Return whether a member of a request is a clause that uses `size`."""
    if name == "knn":
        # In OpenSearch, `knn` contains a field name, and requires `k` or a minimum score.
        clauses = [one for one in listed(value) if isinstance(one, dict)]
        return any(isinstance(one.get("field"), str) and "k" not in one for one in clauses)
    return name == "semantic" and isinstance(value, dict) and "query" in value


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the members of all objects in a decoded value, at any depth, without recursion."""
    left = [value]
    while left:
        inner = left.pop()
        if isinstance(inner, list):
            left += inner
        elif isinstance(inner, dict):
            yield from inner.items()
            left += inner.values()
            left.append(_wrapped(inner.get("wrapper")))


def _wrapped(wrapper: Any) -> Any:
    """Return the query in a `wrapper` query, which is Base64-encoded JSON; None for any other value."""
    encoded = wrapper.get("query") if isinstance(wrapper, dict) else None
    try:
        return decode(b64decode(encoded)) if isinstance(encoded, str) else None
    except ValueError:
        return None
