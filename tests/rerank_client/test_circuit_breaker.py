from __future__ import annotations

from es_rerank.rerank_client.circuit_breaker import CircuitBreaker


def allowed(breaker: CircuitBreaker, now: float) -> bool:
    """Pass if that is permitted."""
    permitted = breaker.permits(now)
    if permitted:
        breaker.passed()
    return permitted


def opened(now: float = 0.0) -> CircuitBreaker:
    breaker = CircuitBreaker()
    for _ in range(3):
        breaker.failed(now)
    return breaker


def test_two_faults_are_bad_luck_three_are_a_fault() -> None:
    breaker = CircuitBreaker()
    breaker.failed(0.0)
    breaker.failed(0.0)
    assert allowed(breaker, 0.0)
    breaker.failed(0.0)
    assert breaker.opened is not None
    assert not allowed(breaker, 0.5)


def test_an_answer_in_between_starts_the_count_anew() -> None:
    breaker = CircuitBreaker()
    for _ in range(5):
        breaker.failed(0.0)
        breaker.failed(0.0)
        breaker.succeeded()
    assert breaker.opened is None


def test_after_the_pause_one_at_a_time_may_try() -> None:
    breaker = opened()
    assert [allowed(breaker, 1.0), allowed(breaker, 1.0), allowed(breaker, 9.0)] == [True, False, False]


def test_a_probe_that_fails_starts_the_pause_anew() -> None:
    breaker = opened()
    assert allowed(breaker, 2.0)
    breaker.failed(3.0)
    assert [allowed(breaker, 3.9), allowed(breaker, 4.0)] == [False, True]


def test_a_probe_that_succeeds_closes() -> None:
    breaker = opened()
    assert allowed(breaker, 2.0)
    breaker.succeeded()
    assert breaker.opened is None
    assert all(allowed(breaker, 2.0) for _ in range(3))


def test_to_ask_is_not_yet_to_pass() -> None:
    breaker = opened()
    assert all(breaker.permits(2.0) for _ in range(3))


def test_a_probe_that_was_not_made_leaves_the_place_to_another() -> None:
    breaker = opened()
    assert allowed(breaker, 2.0)
    breaker.spared()
    assert allowed(breaker, 2.0)
