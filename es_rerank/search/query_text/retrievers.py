"""Elasticsearch's retrievers: which words each of them holds, and how many hits one can give at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from es_rerank.search.query_text.clauses import walk
from es_rerank.search.query_text.leaf_clauses import no_text, own_value, query_vector
from es_rerank.search.query_text.terms import Clause, Context, QueryText, items, listed, member
from es_rerank.search.relevance_sort import is_relevance_sort

# What Elasticsearch takes where a request names no window.
_WINDOW = 10
_PLAIN = frozenset({"standard", "knn"})
_SIMPLIFIED = own_value("query")
_RERANKED = own_value("inference_text")


def retrieved(value: Any, context: Context) -> Iterator[QueryText]:
    """Read a retriever `{kind: ...}`; one of an unknown kind is read for the retrievers in it."""
    for kind, inner in items(value):
        yield from RETRIEVERS.get(kind, _children)(inner, context)


def _children(value: Any, context: Context) -> Iterator[QueryText]:
    """Read `retriever` and `retrievers`, whose entries may be `{retriever, weight, normalizer}`."""
    for one in [*listed(member(value, "retriever")), *listed(member(value, "retrievers"))]:
        yield from retrieved(member(one, "retriever") or one, context)


def _standard(value: Any, context: Context) -> Iterator[QueryText]:
    """Read the query, unless the order asked for is not relevance; its filter chose the documents."""
    if is_relevance_sort(member(value, "sort")) and member(value, "search_after") is None:
        yield from walk(member(value, "query"), context)


def _fused(value: Any, context: Context) -> Iterator[QueryText]:
    """Read the retrievers, or in the short form `{query: text, fields}`."""
    yield from _SIMPLIFIED(value, context)
    yield from _children(value, context)


def _reranked(value: Any, context: Context) -> Iterator[QueryText]:
    """Read the text that hits are compared with: it stands above what the retriever searched."""
    found = list(_RERANKED(value, context))
    yield from found or _children(value, context)


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


def candidates(body: Mapping[str, Any]) -> int | None:
    """Tell how many hits a body's retriever or `rank` can give at most; None if they set no limit.

    Elasticsearch refuses a `size` above it.
    """
    ranks = [_window(inner) for _, inner in items(body.get("rank"))]
    retrievers = [_most(kind, inner) for kind, inner in items(body.get("retriever"))]
    return min((one for one in [*ranks, *retrievers] if one is not None), default=None)


def _most(kind: str, value: Any) -> int | None:
    """Tell the limit of one retriever: a rescorer gives no more than the smallest of its windows."""
    if kind in _PLAIN or not isinstance(value, dict):
        return None
    if kind == "rescorer":
        return min(map(_window, listed(value.get("rescore")) or [None]))
    known = kind in RETRIEVERS or value.keys() & {"retriever", "retrievers", "rank_window_size"}
    return _window(value) if known else None


def _window(value: Any) -> int:
    """Read `rank_window_size`, or `window_size` as it was before 8.14 and is of rescorers."""
    found = member(value, "rank_window_size") or member(value, "window_size")
    try:
        window = int(found)
    except (TypeError, ValueError, OverflowError):
        return _WINDOW
    return window if window > 0 else _WINDOW
