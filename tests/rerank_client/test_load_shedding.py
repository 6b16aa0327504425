from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank_client.load_shedding import whole, window

COSTS = st.lists(st.integers(0, 1000), max_size=200)


@pytest.mark.parametrize(
    ("load", "expected"), [(0.0, 100), (0.49, 100), (0.5, 50), (0.74, 50), (0.75, 20), (0.99, 20), (1.0, 0), (3.0, 0)]
)
def test_the_window_shrinks_step_by_step(load: float, expected: int) -> None:
    assert window([10] * 100, load, math.inf) == expected


@pytest.mark.parametrize(("room", "expected"), [(1000, 100), (999, 50), (500, 50), (499, 20), (200, 20), (199, 0)])
def test_no_more_is_read_than_can_be_done_in_time(room: float, expected: int) -> None:
    assert window([10] * 100, 0.0, room) == expected


def test_what_is_known_is_no_load() -> None:
    assert window([0] * 100, 1.0, 0) == 100
    assert window([], 1.0, 0) == 0


@given(COSTS, st.floats(0, 1.2), st.floats(0, 0.2), st.floats(0, 1e6), st.floats(0, 1e6))
def test_more_load_or_less_room_never_reads_more(
    costs: list[int], load: float, more: float, room: float, less: float
) -> None:
    count = window(costs, load, room)
    assert 0 <= count <= len(costs)
    assert sum(costs[:count]) <= room or not any(costs)
    assert window(costs, load + more, room) <= count
    assert window(costs, load, max(0.0, room - less)) <= count


@given(COSTS, st.floats(0, 1e6))
def test_who_wants_all_gets_all_or_nothing(costs: list[int], room: float) -> None:
    assert whole(costs, room) in (0, len(costs))
    assert whole(costs, math.inf) == len(costs)
