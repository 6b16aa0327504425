"""The table of Elasticsearch's retrievers: where each retriever has the user's text, and how many hits it ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from es_rerank.search.query_text.clauses import read_query
from es_rerank.search.query_text.leaf_clauses import no_text, own_value, query_vector
from es_rerank.search.query_text.terms import Clause, Context, QueryText, items, listed, member
from es_rerank.search.relevance_sort import is_relevance_sort

# Elasticsearch's default value of `rank_window_size`.
_DEFAULT_RANK_WINDOW_SIZE = 10
# These retrievers have no rank window: they return `size` hits.
_WITHOUT_RANK_WINDOW = frozenset({"standard", "knn"})
_SIMPLIFIED_QUERY = own_value("query")
_INFERENCE_TEXT = own_value("inference_text")


def read_retriever(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the texts of a retriever `{type: ...}`; for an unknown type, the texts of the retrievers inside it.

    Args:
        value: The decoded `retriever` of a search body.
        context: The mapping.

    """
    for retriever_type, inner in items(value):
        yield from RETRIEVERS.get(retriever_type, _children)(inner, context)


def _children(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the texts of the retrievers in `retriever` and `retrievers`, with or without weights and normalizers."""
    for child in [*listed(member(value, "retriever")), *listed(member(value, "retrievers"))]:
        yield from read_retriever(member(child, "retriever") or child, context)


def _standard(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the texts of the query, unless hits are not sorted by relevance or `search_after` is used."""
    if is_relevance_sort(member(value, "sort")) and member(value, "search_after") is None:
        yield from read_query(member(value, "query"), context)


def _fused(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the texts of the child retrievers, and of the simplified form `{query: text, fields}`."""
    yield from _SIMPLIFIED_QUERY(value, context)
    yield from _children(value, context)


def _reranked(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the text by which hits are reranked or, if there is none, the texts of the child retriever."""
    texts = list(_INFERENCE_TEXT(value, context))
    yield from texts or _children(value, context)


RETRIEVERS: Mapping[str, Clause] = {
    "standard": _standard,
    "knn": query_vector,
    "rrf": _fused,
    "linear": _fused,
    "rescorer": _children,
    "pinned": _children,
    "rule": _children,
    "diversify": _children,
    "text_similarity_reranker": _reranked,
    "random_reranker": no_text,
}


def rank_window_size(body: Mapping[str, Any]) -> int | None:
    """Return the number of hits that the `retriever` or `rank` of a body ranks; None if there is no limit.

    Elasticsearch rejects a request with a larger `size`.

    Args:
        body: The decoded search body.

    """
    sizes = [_window_size(inner) for _, inner in items(body.get("rank"))]
    limits = [_retriever_limit(name, inner) for name, inner in items(body.get("retriever"))]
    return min([*sizes, *(limit for limit in limits if limit is not None)], default=None)


def _retriever_limit(retriever_type: str, value: Any) -> int | None:
    """Return the number of hits that one retriever ranks. For a `rescorer`, it is the smallest window."""
    if retriever_type in _WITHOUT_RANK_WINDOW or not isinstance(value, dict):
        return None
    if retriever_type == "rescorer":
        return min(map(_window_size, listed(value.get("rescore")) or [None]))
    is_compound = retriever_type in RETRIEVERS or value.keys() & {"retriever", "retrievers", "rank_window_size"}
    return _window_size(value) if is_compound else None


def _window_size(value: Any) -> int:
    """Return `rank_window_size`, or `window_size`, its name before 8.14 and in rescorers."""
    size = member(value, "rank_window_size") or member(value, "window_size")
    try:
        number = int(size)
    except (TypeError, ValueError, OverflowError):
        return _DEFAULT_RANK_WINDOW_SIZE
    return number if number > 0 else _DEFAULT_RANK_WINDOW_SIZE
