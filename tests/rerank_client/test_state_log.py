from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from es_rerank.model import Failed, Why
from es_rerank.rerank_client import state_log
from es_rerank.rerank_client.state_log import StateLog

GONE = Failed(Why.UNREACHABLE, "connection refused")
BUSY = Failed(Why.OVERLOADED, "HTTP 429: busy")


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


def told(*states: Failed | None) -> list[tuple[str, str]]:
    """Say what is logged of a server that is in these states one after another; None is well."""
    with capture_logs() as lines:
        told_of = StateLog("http://one")
        for state in states:
            if state is None:
                told_of.answered()
            else:
                told_of.failed(state)
    assert all(line["server"] == "http://one" for line in lines)
    return [(line["event"].split(",")[0], line.get("why", "")) for line in lines]


def test_a_change_is_told_of_once() -> None:
    assert told(None, GONE, GONE, GONE, None, None) == [
        ("reranker failed", "unreachable"),
        ("reranker answers again", ""),
    ]


def test_another_fault_is_a_change() -> None:
    assert [why for _, why in told(GONE, BUSY, BUSY, None)] == ["unreachable", "overloaded", ""]


def test_a_server_that_goes_to_and_fro_is_told_of_now_and_then(clock: Clock) -> None:
    assert len(told(*[GONE, None, BUSY, None] * 50)) == 4
    with capture_logs() as lines:
        one = StateLog("http://one")
        for at in range(300):
            clock.now = 100.0 + at / 10
            one.failed(GONE) if at % 2 else one.answered()
    assert len(lines) == 6
