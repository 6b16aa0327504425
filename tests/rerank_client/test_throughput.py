from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank.batching import cost
from es_rerank.rerank_client.throughput import Throughput


@pytest.mark.parametrize(
    ("texts", "expected"), [([], 0), (["hose"], 2), (["水漏れを直す"], 6), (["a" * 350, "b"], 102)]
)
def test_cost(texts: list[str], expected: int) -> None:
    assert cost(texts) == expected


def test_half_a_surrogate_costs_something() -> None:
    assert cost(["\ud800"]) == 1


def test_the_rate_is_what_is_done_while_there_is_work() -> None:
    pace = Throughput()
    assert (pace.rate, pace.seconds_for(100)) == (None, 0.0)
    pace.started(10.0, 300)
    assert (pace.rate, pace.seconds_for(100)) == (None, 0.0)
    pace.ended(12.0, 300, 10.0, answered=True)
    assert pace.rate == 150
    # A pause is no work.
    pace.started(50.0, 150)
    pace.ended(51.0, 150, 50.0, answered=True)
    assert pace.rate == 150


def test_work_at_the_same_time_is_counted_once() -> None:
    pace = Throughput()
    for _ in range(4):
        pace.started(0.0, 100)
    for _ in range(4):
        pace.ended(2.0, 100, 0.0, answered=True)
    assert pace.rate == 200
    assert (pace.requests, pace.tokens) == (0, 0)


def test_who_comes_waits_for_what_is_there_and_an_idle_server_is_just_tried() -> None:
    pace = Throughput()
    pace.started(0.0, 100)
    pace.ended(1.0, 100, 0.0, answered=True)
    assert pace.seconds_for(1000) == 0.0
    pace.started(1.0, 100)
    assert pace.seconds_for(50) == pytest.approx(1.5)


def test_where_the_pace_is_not_known_a_guess_stands_for_it() -> None:
    pace = Throughput()
    pace.started(0.0, 100)
    assert pace.seconds_for(100) == 0.0
    assert pace.seconds_for(100, 50.0) == 4.0
    pace.ended(1.0, 100, 0.0, answered=True)
    pace.started(1.0, 100)
    assert pace.seconds_for(100, 50.0) == 2.0


def test_who_goes_away_says_nothing_of_the_pace() -> None:
    pace = Throughput()
    pace.started(0.0, 100)
    for _ in range(20):
        pace.started(0.0, 10)
    pace.ended(1.0, 100, 0.0, answered=True)
    for _ in range(20):
        pace.dropped(10)
    assert (pace.rate, pace.requests, pace.tokens) == (100, 0, 0)


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([(0, 1), (3, 5)], 3),
        ([(0, 2), (1, 3)], 3),
        ([(3, 4), (1, 6)], 5),
        ([(0, 1), (4, 5), (4, 6)], 3),
        ([(4, 5), (3, 6), (2, 7)], 5),
    ],
)
def test_time_is_counted_once_however_requests_overlap(spans: list[tuple[float, float]], seconds: float) -> None:
    pace = Throughput()
    for began, ended in spans:
        pace.started(began, 10)
        pace.ended(ended, 10, began, answered=True)
    assert pace.busy_seconds == seconds


def test_a_fault_took_time_and_did_nothing() -> None:
    pace = Throughput()
    pace.started(0.0, 100)
    pace.ended(1.0, 100, 0.0, answered=False)
    assert pace.rate is None
    pace.started(1.0, 100)
    pace.ended(2.0, 100, 1.0, answered=True)
    assert pace.rate == 50
    pace.reset()
    assert pace.rate is None


def test_the_first_moments_of_a_burst_say_nothing() -> None:
    pace = Throughput()
    for at in range(9):
        pace.started(at / 10, 10)
        pace.ended((at + 1) / 10, 10, at / 10, answered=True)
    assert pace.rate is None
    pace.started(0.9, 10)
    pace.ended(1.1, 10, 0.9, answered=True)
    assert pace.rate == pytest.approx(100 / 1.1)


def test_what_was_seen_long_ago_says_nothing() -> None:
    pace = Throughput()
    pace.started(0.0, 300)
    pace.ended(2.0, 300, 0.0, answered=True)
    pace.started(70.0, 10)
    assert pace.rate is None


def test_a_server_that_has_become_slow_is_soon_known_to_be() -> None:
    pace = Throughput()
    now = 0.0
    for seconds in [0.1] * 200 + [1.0] * 30:
        pace.started(now, 100)
        now += seconds
        pace.ended(now, 100, now - seconds, answered=True)
    assert pace.rate == pytest.approx(100, rel=0.3)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 1000), st.booleans()), max_size=50))
def test_whatever_happens_nothing_is_left_over(steps: list[tuple[float, int, bool]]) -> None:
    pace, now, open_ = Throughput(), 0.0, []
    for seconds, tokens, answered in steps:
        now += seconds
        pace.started(now, tokens)
        open_.append((now, tokens, answered))
    for began, tokens, answered in open_:
        now += 0.1
        pace.ended(now, tokens, began, answered=answered)
    assert (pace.requests, pace.tokens) == (0, 0)
    assert pace.rate is None or pace.rate > 0


def test_repr_shows_load_and_rate() -> None:
    throughput = Throughput()
    throughput.started(0.0, 300)
    assert repr(throughput) == "<Throughput 1 requests (300 tokens) in flight, rate unknown>"
    throughput.ended(2.0, 300, 0.0, answered=True)
    assert repr(throughput) == "<Throughput 0 requests (0 tokens) in flight, 150 tokens/s>"
