from __future__ import annotations

import re
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.server import timings as module
from es_rerank.server.timings import Durations, Interval, Timings, server_timing, union_seconds


class Clock:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([], 0.0),
        ([(1.0, 3.0)], 2.0),
        ([(1.0, 1.0)], 0.0),
        ([(1.0, 3.0), (2.0, 5.0)], 4.0),
        ([(1.0, 9.0), (2.0, 3.0), (4.0, 5.0)], 8.0),
        ([(1.0, 2.0), (2.0, 4.0)], 3.0),
        ([(1.0, 2.0), (5.0, 8.0)], 4.0),
        ([(1.0, 3.0)] * 6, 2.0),
        ([(1.0, 4.0), (1.0, 2.0), (3.0, 6.0)], 5.0),
    ],
    ids=["none", "one", "empty", "overlapping", "nested", "touching", "apart", "equal", "chained"],
)
def test_overlapping_work_counts_once_in_whatever_order_it_is_recorded(
    intervals: list[Interval], expected: float
) -> None:
    assert {union_seconds(order) for order in permutations(intervals[:4])} == {expected}
    assert union_seconds(intervals) == expected


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 20)), max_size=12))
def test_the_union_has_each_second_in_which_there_was_work_once(rows: list[tuple[int, int]]) -> None:
    seconds = {second for start, length in rows for second in range(start, start + length)}
    assert union_seconds([(start, start + length) for start, length in rows]) == len(seconds)


def test_work_is_recorded_from_its_start_until_now(clock: Clock) -> None:
    timings = Timings()
    clock.now = 102.0
    assert timings.add_engine(100.5) == 102.0
    clock.now = 103.0
    timings.add_engine(101.0)
    timings.add_rerank(102.5)
    assert timings.durations() == Durations(total=3.0, engine=2.5, rerank=0.5, overhead=0.5)
    assert Timings().durations() == Durations(0.0, 0.0, 0.0, 0.0)


def test_the_overhead_is_all_time_in_which_neither_engine_nor_reranker_worked(clock: Clock) -> None:
    timings = Timings()
    clock.now = 102.0
    timings.add_engine(101.0)
    clock.now = 104.0
    timings.add_rerank(101.5)
    clock.now = 104.5
    assert timings.durations().overhead == 1.5


def test_the_overhead_is_never_negative(clock: Clock) -> None:
    timings = Timings()
    clock.now = 101.0
    timings.add_engine(90.0)
    timings.add_rerank(95.0)
    assert timings.durations().overhead == 0.0
    assert server_timing(timings.durations()) == "engine;dur=11000.0, rerank;dur=6000.0, proxy;dur=0.0"
    assert server_timing(timings.durations(in_flight_since=80.0)).endswith(", proxy;dur=0.0")


def test_server_timing_names_the_three_times_in_milliseconds(clock: Clock) -> None:
    timings = Timings()
    assert server_timing(timings.durations()) == "engine;dur=0.0, rerank;dur=0.0, proxy;dur=0.0"
    clock.now = 100.25
    timings.add_engine(100.0)
    clock.now = 100.3125
    timings.add_rerank(100.25)
    clock.now = 100.314
    assert server_timing(timings.durations()) == "engine;dur=250.0, rerank;dur=62.5, proxy;dur=1.5"


def test_a_response_that_is_still_streamed_counts_as_engine_time_until_now(clock: Clock) -> None:
    timings = Timings()
    clock.now = 101.0
    timings.add_engine(100.0)
    clock.now = 104.0
    assert (
        server_timing(timings.durations(in_flight_since=102.0)) == "engine;dur=3000.0, rerank;dur=0.0, proxy;dur=1000.0"
    )
    assert server_timing(timings.durations(in_flight_since=100.5)) == "engine;dur=4000.0, rerank;dur=0.0, proxy;dur=0.0"
    # It is not recorded: the engine request is, when it ends.
    assert timings.durations() == Durations(total=4.0, engine=1.0, rerank=0.0, overhead=3.0)


def test_the_real_clock_is_monotonic() -> None:
    timings = Timings()
    timings.add_engine(timings.started)
    assert re.fullmatch(r"engine;dur=\d+\.\d, rerank;dur=0\.0, proxy;dur=\d+\.\d", server_timing(timings.durations()))
    assert timings.durations().overhead >= 0.0
