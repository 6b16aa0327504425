from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank_client.admission import Admission, LoadReport, load_report

METRICS = b"""# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="some/model"} 3.0
vllm:num_requests_running{engine="1",model_name="some/model"} 1.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="some/model"} 1.2e+01
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 99.0
vllm:num_requests_waiting{engine="1",model_name="some/model"} 0.0
"""


def test_the_load_is_read_from_the_metrics_of_all_engines() -> None:
    assert load_report(METRICS) == LoadReport(4.0, 12.0)
    assert load_report(b"vllm:num_requests_running 2\n") == LoadReport(2.0, 0.0)


def test_the_hit_rate_of_the_prefix_cache_is_that_of_all_engines() -> None:
    rows = (
        b'vllm:prefix_cache_queries_total{engine="0"} 600.0\nvllm:prefix_cache_queries_total{engine="1"} 400.0\n'
        b'vllm:prefix_cache_hits_total{engine="0"} 200.0\nvllm:prefix_cache_hits_total{engine="1"} 50.0\n'
        b'vllm:prefix_cache_queries_created{engine="0"} 1.7e+09\n'
    )
    assert load_report(METRICS + rows) == LoadReport(4.0, 12.0, 0.25)
    assert load_report(rows) is None


@pytest.mark.parametrize("metrics", [b"", b"<html>", b"vllm:num_requests_running{} many\n", b"other:requests 1\n"])
def test_without_these_metrics_there_is_no_report(metrics: bytes) -> None:
    assert load_report(metrics) is None


def test_a_congested_server_gets_fewer_requests_but_at_least_one() -> None:
    admission = Admission(8)
    limits = []
    for second in range(8):
        admission.congested(float(second))
        limits.append(admission.limit)
    assert limits == [5, 3, 2, 1, 1, 1, 1, 1]


def test_signals_of_the_same_congestion_count_once() -> None:
    admission = Admission(8)
    for at in (10.0, 10.1, 10.9):
        admission.congested(at)
    assert admission.limit == 5
    admission.congested(11.0)
    assert admission.limit == 3


def test_the_limit_grows_by_one_with_the_answers_that_it_allows_up_to_the_maximum() -> None:
    admission = Admission(4)
    for second in range(5):
        admission.congested(float(second))
    limits = []
    for _ in range(14):
        admission.answered(admission.limit)
        limits.append(admission.limit)
    assert limits == [2, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4]


def test_the_last_report_is_kept() -> None:
    admission = Admission(8)
    assert admission.report is None
    admission.reported(LoadReport(1.0, 0.0, 0.5), 0.0)
    assert admission.report == LoadReport(1.0, 0.0, 0.5)


def test_a_limit_that_is_not_reached_does_not_grow() -> None:
    admission = Admission(8)
    admission.congested(0.0)
    for _ in range(100):
        admission.answered(4)
    assert admission.limit == 5


def test_while_more_requests_wait_than_run_the_limit_does_not_grow() -> None:
    admission = Admission(8)
    admission.reported(LoadReport(4, 5), 0.0)
    assert (admission.limit, repr(admission)) == (5, "<Admission 5 of 8, requests wait at the server>")
    for _ in range(100):
        admission.answered(8)
    assert admission.limit == 5
    admission.reported(LoadReport(4, 4), 1.0)
    admission.answered(8)
    for _ in range(100):
        admission.answered(8)
    assert (admission.limit, repr(admission)) == (8, "<Admission 8 of 8>")


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20))), st.integers(1, 20))
def test_the_limit_stays_between_one_and_the_maximum(events: list[tuple[bool, int]], maximum: int) -> None:
    admission = Admission(maximum)
    for second, (answered, in_flight) in enumerate(events):
        if answered:
            admission.answered(in_flight)
        else:
            admission.congested(float(second))
        assert 1 <= admission.limit <= maximum
    assert Admission(maximum).limit == maximum


def test_the_limits_of_unequal_processes_become_equal() -> None:
    one, other = Admission(32), Admission(32)
    for second in range(4):
        other.congested(float(second))
    assert one.limit > 4 * other.limit
    for second in range(10, 200):
        if one.limit + other.limit > 16:
            one.congested(float(second))
            other.congested(float(second))
        for admission in (one, other):
            for _ in range(admission.limit):
                admission.answered(admission.limit)
    assert abs(one.limit - other.limit) <= 2
