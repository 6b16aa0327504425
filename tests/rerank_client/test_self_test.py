from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from es_rerank.model import Failed, Scored, ScoreRequest, Why
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank_client import self_test
from es_rerank.rerank_client.self_test import SelfTest
from es_rerank.rerank_client.server_health import HealthState, ServerHealth

BGE = PROFILES["bge-reranker"]
GOOD = Scored([0.9, 0.1], 0, "some/model")
BAD = Scored([0.1, 0.9], 0, "some/model")
UNREACHABLE = Failed(Why.UNREACHABLE)
ROUND = 4


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Do not sleep between two self-tests, but record how long it would have been."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    # Only the module's own pauses: other tasks of the event loop need theirs.
    monkeypatch.setattr(self_test, "asyncio", SimpleNamespace(sleep=sleep))
    return slept


async def run(*rounds: Scored | Failed, required: bool = True) -> tuple[ServerHealth, list[ScoreRequest], list[str]]:
    """Run a self-test whose rounds are answered like this; it is stopped when there is no answer left."""
    requests: list[ScoreRequest] = []
    answers = list(rounds)
    first_query = "how do I stop a tap from dripping"

    async def score(request: ScoreRequest) -> Scored | Failed:
        if request.query == first_query and sum(one.query == first_query for one in requests) == len(answers):
            raise asyncio.CancelledError
        requests.append(request)
        return answers[sum(one.query == first_query for one in requests) - 1]

    health = ServerHealth(self_test=required)
    with capture_logs() as lines:
        await asyncio.gather(SelfTest(BGE, score, health, "http://one").run(), return_exceptions=True)
    assert all(line["server"] == "http://one" for line in lines)
    return health, requests, [line["event"] for line in lines]


FAILED, PASSED = "self-test failed, searches keep the engine's order", "self-test passed"


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        ([GOOD], (HealthState.HEALTHY, ROUND, [PASSED], [])),
        ([BAD], (HealthState.UNFIT, ROUND, [FAILED], [3.0])),
        ([BAD, BAD, BAD], (HealthState.UNFIT, 3 * ROUND, [FAILED], [3.0] * 3)),
        ([BAD, GOOD], (HealthState.HEALTHY, 2 * ROUND, [FAILED, PASSED], [3.0])),
        ([UNREACHABLE, UNREACHABLE, GOOD], (HealthState.HEALTHY, 2 + ROUND, [PASSED], [1.0, 1.0])),
        ([BAD, UNREACHABLE], (HealthState.UNFIT, ROUND + 1, [FAILED], [3.0] * 2)),
    ],
)
async def test_a_server_is_tested_until_it_ranks_the_known_pairs_correctly(
    rounds: Sequence[Scored | Failed], expected: tuple[HealthState, int, list[str], list[float]], pauses: list[float]
) -> None:
    health, sent, logged = await run(*rounds)
    assert (health.state, len(sent), logged, pauses) == expected


async def test_an_unfit_model_says_what_is_wrong(pauses: list[float]) -> None:
    health, _, _ = await run(BAD)
    assert "4 of 4 known pairs" in str(health.mismatch)
    health, _, _ = await run(BAD, GOOD)
    assert health.mismatch is None


async def test_each_answer_stands_before_its_distractor_and_has_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "time", type("Clock", (), {"monotonic": staticmethod(lambda: 100.0)}))
    _, requests, _ = await run(GOOD)
    assert [request.deadline for request in requests] == [160.0] * ROUND
    assert "dripping tap" in str(requests[0].documents[0])


async def test_where_no_self_test_is_required_nothing_is_sent() -> None:
    health, requests, _ = await run(BAD, required=False)
    assert (health.state, requests) == (HealthState.HEALTHY, [])


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_can_be_tested(name: str) -> None:
    score: Callable[[ScoreRequest], object] = lambda _: None  # noqa: E731
    health = ServerHealth(self_test=True)
    SelfTest(PROFILES[name], score, health, "http://one")  # type: ignore[arg-type]
    assert not health.trusted
