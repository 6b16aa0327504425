from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from es_rerank.model import Failed, Why
from es_rerank.rerank_client import server_health
from es_rerank.rerank_client.server_health import (
    TRANSITIONS,
    TRUSTED_STATES,
    HealthEvent,
    HealthState,
    ServerHealth,
)

ERROR = Failed(Why.RERANKER_ERROR, "HTTP 500: oops")
UNREACHABLE = Failed(Why.UNREACHABLE, "connection refused")
MISMATCH = "4 of 4 known pairs are in the wrong order"
PAIRS = list(product(HealthState, HealthEvent))


def drawn() -> dict[tuple[str, str], str]:
    """Read the table in the docstring of the module."""
    lines = [line.split() for line in str(server_health.__doc__).splitlines() if line.startswith("    ")]
    (_, *states), *rows = lines
    return {
        (state, event): state if cell == "." else cell
        for event, *cells in rows
        for state, cell in zip(states, cells, strict=True)
    }


def in_state(state: HealthState) -> ServerHealth:
    """Bring a server into a state at the time 0 by what may happen to one."""
    health = ServerHealth(self_test=True)
    if state is HealthState.UNFIT:
        health.self_test_failed(MISMATCH)
    elif state is not HealthState.UNTESTED:
        health.self_test_passed()
    for _ in range({HealthState.SUSPECT: 1, HealthState.OPEN: 3}.get(state, 0)):
        health.failed(ERROR, 0.0)
    assert health.state is state
    return health


def failed_too_often(health: ServerHealth) -> None:
    for _ in range(3):
        health.failed(ERROR, 1.0)


def returned(health: ServerHealth) -> None:
    """Be unreachable, then answer; the fault itself is no transition here."""
    state, fault, faults = health.state, health.fault, health._faults
    health.failed(UNREACHABLE, 1.0)
    health.state, health.fault, health._faults = state, fault, faults
    assert health.answered(2.0)


HAPPENS: dict[HealthEvent, Callable[[ServerHealth], object]] = {
    HealthEvent.SELF_TEST_PASSED: lambda health: health.self_test_passed(),
    HealthEvent.SELF_TEST_FAILED: lambda health: health.self_test_failed(MISMATCH),
    HealthEvent.ANSWERED: lambda health: health.answered(1.0),
    HealthEvent.RETURNED: returned,
    HealthEvent.FAILED: lambda health: health.failed(ERROR, 1.0),
    HealthEvent.FAILED_TOO_OFTEN: failed_too_often,
    HealthEvent.PROBE_SENT: lambda health: health.probe_sent(),
    HealthEvent.PROBE_RELEASED: lambda health: health.probe_released(),
}


def test_every_pair_of_state_and_event_is_in_the_table() -> None:
    assert set(TRANSITIONS) == set(PAIRS)
    assert set(HAPPENS) == set(HealthEvent)


def test_the_drawing_is_the_table() -> None:
    assert drawn() == TRANSITIONS


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_each_transition(state: HealthState, event: HealthEvent) -> None:
    health = in_state(state)
    HAPPENS[event](health)
    assert health.state == drawn()[state, event]


@pytest.mark.parametrize("state", HealthState)
def test_only_a_healthy_and_a_suspect_server_admit_searches(state: HealthState) -> None:
    health = in_state(state)
    assert health.admits(0.5) is (state in {HealthState.HEALTHY, HealthState.SUSPECT})
    assert health.trusted is (state in TRUSTED_STATES) is (state not in {HealthState.UNTESTED, HealthState.UNFIT})


def test_a_server_without_self_test_is_healthy_from_the_start() -> None:
    assert ServerHealth(self_test=False).state is HealthState.HEALTHY
    assert ServerHealth(self_test=True).state is HealthState.UNTESTED


def test_the_third_fault_in_a_row_opens_the_circuit_breaker() -> None:
    health = in_state(HealthState.HEALTHY)
    states = []
    for _ in range(4):
        health.failed(ERROR, 0.0)
        states.append(health.state)
    assert states == ["suspect", "suspect", "open", "open"]


def test_an_answer_in_between_restarts_the_count() -> None:
    health = in_state(HealthState.HEALTHY)
    for _ in range(5):
        health.failed(ERROR, 0.0)
        health.failed(ERROR, 0.0)
        assert not health.answered(0.0)
    assert (health.state, health.fault) == (HealthState.HEALTHY, None)


def probe(health: ServerHealth, now: float) -> bool:
    """Send a request if that is permitted."""
    admitted = health.admits(now)
    if admitted:
        health.probe_sent()
    return admitted


def test_after_the_pause_one_probe_at_a_time_is_permitted() -> None:
    health = in_state(HealthState.OPEN)
    assert [probe(health, now) for now in (0.999, 1.0, 1.0, 9.0)] == [False, True, False, False]


def test_to_check_is_not_yet_to_probe() -> None:
    health = in_state(HealthState.OPEN)
    assert all(health.admits(2.0) for _ in range(3))


def test_a_probe_that_fails_restarts_the_pause() -> None:
    health = in_state(HealthState.OPEN)
    assert probe(health, 2.0)
    health.failed(ERROR, 3.0)
    assert [probe(health, now) for now in (3.9, 4.0, 4.0)] == [False, True, False]


def test_a_probe_that_is_answered_closes_the_circuit_breaker() -> None:
    health = in_state(HealthState.OPEN)
    assert probe(health, 2.0)
    assert not health.answered(2.5)
    assert all(probe(health, 2.5) for _ in range(3))
    health.failed(ERROR, 3.0)
    assert health.state is HealthState.SUSPECT


def test_a_probe_that_says_nothing_leaves_the_slot_to_another_one() -> None:
    health = in_state(HealthState.OPEN)
    assert probe(health, 2.0)
    health.probe_released()
    assert [probe(health, 2.0), probe(health, 2.0)] == [True, False]


@pytest.mark.parametrize("state", [HealthState.HEALTHY, HealthState.SUSPECT])
def test_while_the_circuit_breaker_is_closed_no_request_is_a_probe(state: HealthState) -> None:
    health = in_state(state)
    assert all(probe(health, 2.0) for _ in range(3))
    failed_too_often(health)
    assert health.admits(9.0)


def test_a_server_that_was_unreachable_must_be_tested_again_before_its_scores_are_used() -> None:
    health = in_state(HealthState.HEALTHY)
    health.failed(UNREACHABLE, 0.0)
    health.failed(ERROR, 0.5)
    assert health.answered(1.0)
    assert (health.state, health.fault, health.trusted) == (HealthState.UNTESTED, None, False)
    assert not health.answered(1.5)
    health.self_test_passed()
    assert health.state is HealthState.HEALTHY


def test_without_self_test_a_server_that_returns_is_healthy() -> None:
    health = ServerHealth(self_test=False)
    health.failed(UNREACHABLE, 0.0)
    assert health.answered(1.0)
    assert health.state is HealthState.HEALTHY
    assert not health.answered(2.0)


def test_a_server_that_returns_while_it_is_tested_stays_untested() -> None:
    health = in_state(HealthState.UNTESTED)
    health.failed(UNREACHABLE, 0.0)
    assert health.problem == "unreachable: connection refused"
    assert health.answered(1.0)
    assert (health.state, health.problem) == (HealthState.UNTESTED, "")


def test_a_passed_self_test_forgets_the_faults_before_it() -> None:
    health = in_state(HealthState.UNTESTED)
    failed_too_often(health)
    health.self_test_passed()
    health.failed(ERROR, 2.0)
    assert health.state is HealthState.SUSPECT


def test_what_is_wrong_with_an_unfit_server_is_its_model_whatever_else_fails() -> None:
    health = in_state(HealthState.UNFIT)
    health.failed(ERROR, 0.0)
    assert (health.mismatch, health.problem) == (MISMATCH, f"self_test: {MISMATCH}")
    health.self_test_passed()
    assert (health.mismatch, health.problem) == (None, "")


def test_a_fault_is_the_problem_until_there_is_an_answer() -> None:
    health = in_state(HealthState.SUSPECT)
    assert (health.fault, health.problem) == (ERROR, "reranker_error: HTTP 500: oops")
    health.answered(1.0)
    assert (health.fault, health.problem) == (None, "")


def test_a_server_is_silent_once_its_requests_have_waited_a_second_in_all() -> None:
    health = in_state(HealthState.HEALTHY)
    assert [health.is_silent(0.0, 0.5), health.is_silent(0.25, 0.5), health.is_silent(0.25, 0.5)] == [
        False,
        False,
        True,
    ]


def test_a_server_that_answers_others_is_not_silent() -> None:
    health = in_state(HealthState.HEALTHY)
    health.answered_at = 5.0
    assert not health.is_silent(4.0, 9.0)
    assert health.is_silent(5.0, 6.0), "sent at the time of the last answer"


def test_an_answer_ends_the_silence() -> None:
    health = in_state(HealthState.HEALTHY)
    assert not health.is_silent(0.0, 0.9)
    health.answered_at = 1.0
    assert not health.is_silent(1.0, 1.9)
    assert health.is_silent(1.0, 1.1)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (HealthState.HEALTHY, "<ServerHealth healthy: 0 faults in a row>"),
        (HealthState.SUSPECT, "<ServerHealth suspect: 1 faults in a row, last reranker_error>"),
        (HealthState.UNFIT, "<ServerHealth unfit: 0 faults in a row>"),
    ],
)
def test_repr_shows_the_state_and_no_words_of_the_server(state: HealthState, text: str) -> None:
    assert repr(in_state(state)) == text


def test_repr_shows_a_probe() -> None:
    health = in_state(HealthState.OPEN)
    assert probe(health, 2.0)
    assert repr(health) == "<ServerHealth open: 3 faults in a row, last reranker_error, probe in flight>"
