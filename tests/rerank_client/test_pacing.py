from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank_client.pacing import FIRST_TOKENS, next_head

TOKENS = st.lists(st.integers(0, 1000), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("tokens", "scored", "capacity", "expected"),
    [
        # Nothing is known: two documents, or more if they are short.
        ([300] * 10, 0, None, 2),
        ([900] * 10, 0, None, 2),
        ([100] * 10, 0, None, 5),
        ([10] * 10, 0, None, 10),
        ([128] * 10, 0, None, 4),
        ([171] * 10, 0, None, 2),
        # Cached documents measure nothing.
        ([0, 0, 0, 900, 0, 900, 900], 0, None, 6),
        ([0, 0], 0, None, 2),
        # Everything fits, or half of the time is used.
        ([100] * 10, 0, 1000, 10),
        ([100] * 10, 0, 999, 4),
        ([100] * 10, 4, 599, 6),
        ([100] * 10, 8, 150, 9),
        ([100] * 10, 9, 99, 9),
        # The first step has at least two documents, however slow the servers are.
        ([500] * 10, 0, 100, 2),
        ([500], 0, 100, 1),
        ([0, 0, 500], 0, 100, 2),
        # A step gets further than the cached documents.
        ([0, 0, 0, 90, 90], 0, 100, 4),
    ],
)
def test_next_head(tokens: list[int], scored: int, capacity: float | None, expected: int) -> None:
    assert next_head(tokens, scored, capacity) == expected


@given(TOKENS, st.integers(0, 60), st.one_of(st.none(), st.floats(0, 1e5)))
def test_a_step_stays_in_the_window_and_later_ones_fit(tokens: list[int], scored: int, capacity: float | None) -> None:
    scored = min(scored, len(tokens) - 1)
    count = next_head(tokens, scored, capacity)
    assert scored <= count <= len(tokens)
    if capacity is None:
        assert sum(tokens[scored:count]) <= FIRST_TOKENS or sum(size > 0 for size in tokens[scored:count]) <= 2
    elif scored:
        assert sum(tokens[scored:count]) <= capacity


@given(TOKENS)
def test_with_enough_capacity_the_window_becomes_whole(tokens: list[int]) -> None:
    scored, steps = 0, 0
    while scored < len(tokens):
        scored = next_head(tokens, scored, float(sum(tokens)))
        steps += 1
    assert steps == 1
