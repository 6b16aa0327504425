from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank_client.throughput import Throughput


def test_the_rate_counts_only_busy_time() -> None:
    throughput = Throughput()
    assert (throughput.rate, throughput.seconds_for(100, 10.0)) == (None, 0.0)
    throughput.started(10.0, 300)
    assert (throughput.rate, throughput.seconds_for(100, 10.0)) == (None, 0.0)
    throughput.ended(12.0, 300, 10.0, answered=True)
    assert throughput.rate == 150
    # Idle time does not count.
    throughput.started(50.0, 150)
    throughput.ended(51.0, 150, 50.0, answered=True)
    assert throughput.rate == 150


def test_concurrent_requests_share_their_time() -> None:
    throughput = Throughput()
    for _ in range(4):
        throughput.started(0.0, 100)
    for _ in range(4):
        throughput.ended(2.0, 100, 0.0, answered=True)
    assert throughput.rate == 200
    assert (throughput.requests, throughput.tokens) == (0, 0)


def test_a_request_takes_its_time_behind_those_in_flight_and_none_at_a_server_that_was_idle_for_a_while() -> None:
    throughput = Throughput()
    throughput.started(0.0, 100)
    throughput.ended(1.0, 100, 0.0, answered=True)
    assert throughput.seconds_for(100, 1.0) == 1.0
    assert throughput.seconds_for(100, 2.9) == 1.0
    assert throughput.seconds_for(100, 3.0) == 0.0
    throughput.started(1.0, 100)
    assert throughput.seconds_for(50, 1.0) == pytest.approx(1.5)


def test_while_the_rate_is_unknown_a_default_is_used() -> None:
    throughput = Throughput()
    throughput.started(0.0, 100)
    assert throughput.seconds_for(100, 0.0) == 0.0
    assert throughput.seconds_for(100, 1.0, 50.0) == 4.0
    throughput.ended(1.0, 100, 0.0, answered=True)
    throughput.started(1.0, 100)
    assert throughput.seconds_for(100, 1.0, 50.0) == 2.0


def test_a_canceled_request_says_nothing_about_the_rate() -> None:
    throughput = Throughput()
    throughput.started(0.0, 100)
    for _ in range(20):
        throughput.started(0.0, 10)
    throughput.ended(1.0, 100, 0.0, answered=True)
    for _ in range(20):
        throughput.dropped(10)
    assert (throughput.rate, throughput.requests, throughput.tokens) == (100, 0, 0)


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
def test_busy_time_counts_once_however_requests_overlap(spans: list[tuple[float, float]], seconds: float) -> None:
    throughput = Throughput()
    for began, ended in spans:
        throughput.started(began, 10)
        throughput.ended(ended, 10, began, answered=True)
    assert throughput.busy_seconds == seconds


def test_a_fault_takes_time_and_scores_nothing() -> None:
    throughput = Throughput()
    throughput.started(0.0, 100)
    throughput.ended(1.0, 100, 0.0, answered=False)
    assert throughput.rate is None
    throughput.started(1.0, 100)
    throughput.ended(2.0, 100, 1.0, answered=True)
    assert throughput.rate == 50
    throughput.reset()
    assert throughput.rate is None


def test_the_first_moments_of_a_burst_give_no_rate() -> None:
    throughput = Throughput()
    for at in range(9):
        throughput.started(at / 10, 10)
        throughput.ended((at + 1) / 10, 10, at / 10, answered=True)
    assert throughput.rate is None
    throughput.started(0.9, 10)
    throughput.ended(1.1, 10, 0.9, answered=True)
    assert throughput.rate == pytest.approx(100 / 1.1)


def test_a_rate_that_is_out_of_date_is_forgotten() -> None:
    throughput = Throughput()
    throughput.started(0.0, 300)
    throughput.ended(2.0, 300, 0.0, answered=True)
    throughput.started(70.0, 10)
    assert throughput.rate is None


def test_the_rate_follows_a_server_that_becomes_slow() -> None:
    throughput = Throughput()
    now = 0.0
    for seconds in [0.1] * 200 + [1.0] * 30:
        throughput.started(now, 100)
        now += seconds
        throughput.ended(now, 100, now - seconds, answered=True)
    assert throughput.rate == pytest.approx(100, rel=0.3)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 1000), st.booleans()), max_size=50))
def test_after_all_requests_no_load_is_left(steps: list[tuple[float, int, bool]]) -> None:
    throughput, now, open_ = Throughput(), 0.0, []
    for seconds, tokens, answered in steps:
        now += seconds
        throughput.started(now, tokens)
        open_.append((now, tokens, answered))
    for began, tokens, answered in open_:
        now += 0.1
        throughput.ended(now, tokens, began, answered=answered)
    assert (throughput.requests, throughput.tokens) == (0, 0)
    assert throughput.rate is None or throughput.rate > 0


def test_repr_shows_load_and_rate() -> None:
    throughput = Throughput()
    throughput.started(0.0, 300)
    assert repr(throughput) == "<Throughput 1 requests (300 tokens) in flight, rate unknown>"
    throughput.ended(2.0, 300, 0.0, answered=True)
    assert repr(throughput) == "<Throughput 0 requests (0 tokens) in flight, 150 tokens/s>"


@pytest.mark.parametrize(("idle", "rate"), [(60.0, 150.0), (60.1, None)])
def test_a_rate_is_out_of_date_after_a_minute(idle: float, rate: float | None) -> None:
    throughput = Throughput()
    throughput.started(0.0, 300)
    throughput.ended(2.0, 300, 0.0, answered=True)
    throughput.started(2.0 + idle, 10)
    assert throughput.rate == rate


def test_a_busy_server_keeps_its_rate() -> None:
    throughput = Throughput()
    throughput.started(0.0, 300)
    throughput.started(0.0, 300)
    throughput.ended(2.0, 300, 0.0, answered=True)
    throughput.started(99.0, 10)
    assert throughput.rate == 150


def test_measurements_are_halved_after_eight_busy_seconds() -> None:
    throughput = Throughput()
    throughput.started(0.0, 800)
    throughput.ended(8.0, 800, 0.0, answered=True)
    assert (throughput.done_tokens, throughput.busy_seconds) == (800, 8.0)
    throughput.started(8.0, 100)
    throughput.ended(9.0, 100, 8.0, answered=True)
    assert (throughput.done_tokens, throughput.busy_seconds) == (450, 4.5)


def test_the_likely_rate_is_that_of_any_measurement_and_else_of_the_slowest_pair_of_the_self_test() -> None:
    throughput = Throughput()
    assert throughput.likely_rate is None
    for rate in (300.0, 200.0, 400.0):
        throughput.tested(rate)
    assert (throughput.likely_rate, throughput.rate) == (200.0, None)
    throughput.started(10.0, 1000)
    throughput.ended(10.1, 1000, 10.0, answered=True)
    assert throughput.likely_rate == pytest.approx(10_000)
    assert throughput.rate is None, "too short for an estimate that searches are rejected for"
