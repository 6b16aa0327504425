"""What Hypothesis tries in the tests of the engine side."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from es_rerank.search.query import CLAUSES

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()

JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)

# Queries with the right words in wrong places.
_WORDS = st.sampled_from([*CLAUSES, "query", "fields", "must", "filter", "functions", "like", "intervals", "body"])
QUERIES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=12,
)
