from __future__ import annotations

from es_rerank.rerank.breaker import Breaker


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(3):
        breaker.failed(now)
    return breaker


def test_two_faults_are_bad_luck_three_are_a_fault() -> None:
    breaker = Breaker()
    breaker.failed(0.0)
    breaker.failed(0.0)
    assert breaker.allows(0.0)
    breaker.failed(0.0)
    assert breaker.opened is not None
    assert not breaker.allows(0.5)


def test_an_answer_in_between_starts_the_count_anew() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(0.0)
        breaker.failed(0.0)
        breaker.succeeded()
    assert breaker.opened is None


def test_after_the_pause_one_at_a_time_may_try() -> None:
    breaker = opened()
    assert [breaker.allows(1.0), breaker.allows(1.0), breaker.allows(9.0)] == [True, False, False]


def test_a_probe_that_fails_starts_the_pause_anew() -> None:
    breaker = opened()
    assert breaker.allows(2.0)
    breaker.failed(3.0)
    assert [breaker.allows(3.9), breaker.allows(4.0)] == [False, True]


def test_a_probe_that_succeeds_closes() -> None:
    breaker = opened()
    assert breaker.allows(2.0)
    breaker.succeeded()
    assert breaker.opened is None
    assert all(breaker.allows(2.0) for _ in range(3))
