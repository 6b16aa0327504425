from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from es_rerank.model import Failed, Scored, ScoreRequest, Why
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank_client import self_test
from es_rerank.rerank_client.self_test import SelfTest

BGE = PROFILES["bge-reranker"]
GOOD = Scored([0.9, 0.1], 0, "some/model")
BAD = Scored([0.1, 0.9], 0, "some/model")
GONE = Failed(Why.UNREACHABLE)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "_PAUSE", 0.001)
    monkeypatch.setattr(self_test, "_MISFIT_PAUSE", 0.001)


async def tried(*answers: Scored | Failed, wanted: bool = True) -> tuple[SelfTest, list[ScoreRequest], list[str]]:
    """Run a trial whose rounds of questions are answered like this; the last answer goes on until it is stopped."""
    asks: list[ScoreRequest] = []
    rounds = list(answers)

    async def score(ask: ScoreRequest) -> Scored | Failed:
        asks.append(ask)
        first_of_round = ask.query == "how do I stop a tap from dripping"
        if first_of_round and len(asks) > 1 and len(rounds) > 1:
            rounds.pop(0)
        return rounds[0]

    found = SelfTest(BGE, score, wanted=wanted, server="http://one")
    with capture_logs() as lines:
        running = asyncio.create_task(found.run())
        await asyncio.wait([running], timeout=0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return found, asks, [line["event"] for line in lines]


async def test_a_model_that_knows_the_pairs_passes_at_once() -> None:
    found, asks, events = await tried(GOOD)
    assert (found.passed, found.failure, events) == (True, None, ["self-test passed"])
    assert len(asks) == 4


async def test_a_misfit_is_said_once_and_tried_again() -> None:
    found, asks, events = await tried(BAD)
    assert not found.passed
    assert "4 of 4 known pairs" in str(found.failure)
    assert events == ["self-test failed, searches keep the engine's order"]
    assert len(asks) > 4


async def test_a_misfit_that_was_repaired_passes() -> None:
    found, _, events = await tried(BAD, GOOD)
    assert (found.passed, found.failure) == (True, None)
    assert events[-1] == "self-test passed"


async def test_a_server_that_is_not_up_yet_is_waited_for() -> None:
    found, asks, events = await tried(GONE, GONE, GOOD)
    assert (found.passed, events) == (True, ["self-test passed"])
    assert len(asks) == 6


async def test_a_trial_that_is_not_wanted_asks_nothing() -> None:
    found, asks, _ = await tried(BAD, wanted=False)
    assert (found.passed, asks, found.again()) == (True, [], False)


@pytest.mark.parametrize(("answer", "begun"), [(GOOD, True), (GONE, False)])
async def test_another_trial_begins_only_when_none_is_under_way(answer: Scored | Failed, begun: bool) -> None:
    found, _, _ = await tried(answer)
    assert found.again() is begun
    assert not found.passed


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_has_its_trial(name: str) -> None:
    score: Callable[[ScoreRequest], object] = lambda _: None  # noqa: E731
    assert not SelfTest(PROFILES[name], score, wanted=True, server="http://one").passed  # type: ignore[arg-type]
