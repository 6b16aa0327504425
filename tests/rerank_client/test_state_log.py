from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from es_rerank.model import Failed, Why
from es_rerank.rerank_client import state_log
from es_rerank.rerank_client.state_log import StateLog

UNREACHABLE = Failed(Why.UNREACHABLE, "connection refused")
OVERLOADED = Failed(Why.OVERLOADED, "HTTP 429: busy")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(state_log, "time", found)
    return found


def logged(*states: Failed | None) -> list[tuple[str, str]]:
    """Return what is logged about a server that fails like this, one after another; None is an answer."""
    with capture_logs() as lines:
        server = StateLog("http://one")
        for state in states:
            if state is None:
                server.answered()
            else:
                server.failed(state)
    assert all(line["server"] == "http://one" for line in lines)
    return [(line["event"].split(",")[0], line.get("why", "")) for line in lines]


def test_each_change_is_logged_once() -> None:
    assert logged(None, UNREACHABLE, UNREACHABLE, UNREACHABLE, None, None) == [
        ("reranker failed", "unreachable"),
        ("reranker answers again", ""),
    ]


def test_a_different_fault_is_a_change() -> None:
    assert [why for _, why in logged(UNREACHABLE, OVERLOADED, OVERLOADED, None)] == ["unreachable", "overloaded", ""]


def test_a_server_that_alternates_is_logged_now_and_then(clock: Clock) -> None:
    assert len(logged(*[UNREACHABLE, None, OVERLOADED, None] * 50)) == 4
    with capture_logs() as lines:
        one = StateLog("http://one")
        for at in range(300):
            clock.now = 100.0 + at / 10
            one.failed(UNREACHABLE) if at % 2 else one.answered()
    assert len(lines) == 6


def test_the_same_fault_is_logged_again_after_the_quiet_time(clock: Clock) -> None:
    lines = []
    for seconds in (0.0, 9.9, 10.0):
        with capture_logs() as found:
            if not seconds:
                one = StateLog("http://one")
            clock.now = 100.0 + seconds
            one.answered()
            one.failed(UNREACHABLE)
        lines.append(len(found))
    assert lines == [1, 1, 1]


def test_the_end_of_a_fault_that_was_not_logged_is_not_logged(clock: Clock) -> None:
    one = StateLog("http://one")
    with capture_logs() as lines:
        for _ in range(2):
            one.failed(UNREACHABLE)
            one.answered()
    assert [line["event"].split(",")[0] for line in lines] == ["reranker failed", "reranker answers again"]


def test_a_line_names_server_fault_and_detail() -> None:
    with capture_logs() as lines:
        StateLog("http://one").failed(OVERLOADED)
    assert {name: lines[0][name] for name in ("server", "why", "detail", "log_level")} == {
        "server": "http://one",
        "why": Why.OVERLOADED,
        "detail": "HTTP 429: busy",
        "log_level": "error",
    }
