from __future__ import annotations

import pytest

from es_rerank.evaluation.client import Reply
from es_rerank.load_test.tally import Tally


def reply(status: int = 200, content: bytes = b"{}", **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, content, 0.01)


def test_responses_are_counted_by_outcome_with_their_times() -> None:
    tally = Tally()
    timing = "engine;dur=4, rerank;dur=30, proxy;dur=1"
    tally.add(reply(X_Rerank="reranked; window=50; cached=20; model=m", Server_Timing=timing), 0.05)
    tally.add(reply(X_Rerank="reranked; window=10; of=50; cached=10; model=m", Server_Timing=timing), 0.04)
    tally.add(reply(X_Rerank="failed; why=deadline"), 3.0)
    assert dict(tally.outcomes) == {"reranked": 1, "window reduced": 1, "failed; why=deadline": 1}
    assert (tally.scored, tally.cached, tally.answered, tally.sent) == (60, 30, 3, 3)
    assert {name: times.count for name, times in tally.timings.items()} == {"engine": 2, "rerank": 2, "proxy": 2}
    assert tally.timings["rerank"].percentile(50) == pytest.approx(0.03, rel=1e-3)
    assert tally.times.percentile(100) == pytest.approx(3.0, rel=1e-3)


def test_a_response_with_an_error_is_no_response_time() -> None:
    tally = Tally()
    tally.add(reply(429, b'{"error":{"reason":"too many"}}'), 0.001)
    tally.add_error("no response: reset")
    assert dict(tally.errors) == {"status 429: too many": 1, "no response: reset": 1}
    assert (tally.times.count, tally.answered, tally.sent) == (0, 0, 2)


def test_different_errors_without_end_are_counted_together() -> None:
    tally = Tally()
    for number in range(1000):
        tally.add_error(f"id {number}")
    tally.add_error("id 3")
    assert len(tally.errors) == 21
    assert (tally.errors["other errors"], tally.errors["id 3"], tally.sent) == (980, 2, 1001)
