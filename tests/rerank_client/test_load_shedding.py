from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank_client.load_shedding import FULL_WINDOW_LOAD, all_or_none, documents_under_load

TOKENS = st.lists(st.integers(0, 1000), max_size=200)


@pytest.mark.parametrize(
    ("load", "expected"), [(0.0, 100), (0.49, 100), (0.5, 50), (0.74, 50), (0.75, 20), (0.99, 20), (1.0, 0), (3.0, 0)]
)
def test_the_window_shrinks_step_by_step(load: float, expected: int) -> None:
    assert documents_under_load([10] * 100, load, math.inf) == expected


@pytest.mark.parametrize(("capacity", "expected"), [(1000, 100), (999, 99), (499, 49), (20, 2), (19, 0)])
def test_only_as_much_is_read_as_fits_into_the_deadline(capacity: float, expected: int) -> None:
    assert documents_under_load([10] * 100, 0.0, capacity) == expected


def test_cached_documents_are_no_load() -> None:
    assert documents_under_load([0] * 100, 1.0, 0) == 100
    assert documents_under_load([], 1.0, 0) == 0


@given(TOKENS, st.floats(0, 1.2), st.floats(0, 0.2), st.floats(0, 1e6), st.floats(0, 1e6))
def test_more_load_or_less_capacity_never_reads_more(
    tokens: list[int], load: float, more: float, capacity: float, less: float
) -> None:
    count = documents_under_load(tokens, load, capacity)
    assert 0 <= count <= len(tokens)
    assert sum(tokens[:count]) <= capacity or not any(tokens)
    assert documents_under_load(tokens, load + more, capacity) <= count
    assert documents_under_load(tokens, load, max(0.0, capacity - less)) <= count


@given(TOKENS, st.floats(0, 1e6))
def test_all_documents_are_read_or_none(tokens: list[int], capacity: float) -> None:
    assert all_or_none(tokens, capacity) in (0, len(tokens))
    assert all_or_none(tokens, math.inf) == len(tokens)


@pytest.mark.parametrize(("capacity", "expected"), [(30, 3), (29, 0)])
def test_all_documents_are_read_if_they_just_fit(capacity: float, expected: int) -> None:
    assert all_or_none([10] * 3, capacity) == expected


@pytest.mark.parametrize(
    ("documents", "load", "expected"), [(1, 0.6, 1), (3, 0.6, 2), (3, 0.9, 2), (11, 0.9, 2), (15, 0.9, 3), (5, 0.6, 2)]
)
def test_at_least_two_documents_are_read(documents: int, load: float, expected: int) -> None:
    assert documents_under_load([10] * documents, load, math.inf) == expected


@given(TOKENS, st.floats(0, FULL_WINDOW_LOAD, exclude_max=True), st.floats(0, 1e6))
def test_below_the_first_step_a_window_that_fits_is_read_in_full(
    tokens: list[int], load: float, capacity: float
) -> None:
    if sum(tokens) <= capacity:
        assert documents_under_load(tokens, load, capacity) == all_or_none(tokens, capacity) == len(tokens)


@pytest.mark.parametrize(
    ("tokens", "queue", "capacity", "expected"),
    [
        ([10] * 100, 0.0, math.inf, 100),
        ([10] * 100, 0.5, math.inf, 50),
        ([10] * 100, 1.0, math.inf, 0),
        ([10] * 100, 0.0, 999, 99),
        ([10] * 100, 0.0, 370, 37),
        ([10] * 100, 0.5, 370, 37),
        ([0] * 40 + [10] * 60, 0.0, 5, 40),
        ([0] * 40 + [10] * 60, 0.0, 0, 40),
        ([0] * 100, 1.0, 0, 100),
        ([0, 10], 0.0, 5, 0),
        ([10], 0.0, 10, 1),
        ([10], 0.0, 9, 0),
        ([], 0.0, 0, 0),
    ],
)
def test_the_window_has_all_documents_that_fit(tokens: list[int], queue: float, capacity: float, expected: int) -> None:
    assert documents_under_load(tokens, queue, capacity) == expected


@given(TOKENS, st.floats(0, 0.49), st.floats(0, 1e5))
def test_each_search_gets_further_than_the_one_before(tokens: list[int], queue: float, capacity: float) -> None:
    """A search that repeats until its window is whole needs at most one more repetition per document."""
    capacity += max(tokens, default=0) * 2
    for _ in range(len(tokens) + 1):
        count = documents_under_load(tokens, queue, capacity)
        tokens = [0] * count + tokens[count:]
    assert count == len(tokens)
