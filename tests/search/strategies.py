"""What Hypothesis tries in the tests of the engine side."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from es_rerank.search.query_text.clauses import CLAUSES
from es_rerank.search.query_text.retrievers import RETRIEVERS

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()

JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)

# Queries with the right words in wrong places.
_PARTS = [
    "body",
    "boost",
    "clauses",
    "doc",
    "docs",
    "embedding",
    "fields",
    "filter",
    "functions",
    "include",
    "input",
    "intervals",
    "knn",
    "like",
    "match",
    "must",
    "organic",
    "positive",
    "queries",
    "query",
    "query_vector_builder",
    "rank",
    "rank_window_size",
    "rescore",
    "retriever",
    "retrievers",
    "should",
    "sort",
    "sub_searches",
    "text_embedding",
    "value",
    "window_size",
]
_WORDS = st.sampled_from([*CLAUSES, *RETRIEVERS, *_PARTS])
_TYPED = st.text(st.sampled_from('ab +-!(){}:"~*?\\<>ANDnot庭'))
QUERIES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | _TYPED,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=12,
)
BODIES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["query", "knn", "sub_searches", "retriever", "rank"]), QUERIES, max_size=3
)
