from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank.model import Failed, Why
from es_rerank.rerank.backends import BACKENDS, RerankCall
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder
from es_rerank.rerank.vectors import Precision, vector_backend
from es_rerank.rerank_client import self_test as self_test_module
from es_rerank.rerank_client import server as server_module
from es_rerank.rerank_client.server import RerankServer
from es_rerank.rerank_client.server_health import MAX_FAULTS, HealthState
from es_rerank.testing import (
    FakeResponse,
    FakeServer,
    ReceivedRequest,
    fake_settings,
    score_response,
    serve_fake,
    until,
)

CALL = RerankCall("leaking hose", ["a", "b"], "some/model")
RIGHT = score_response({"tap usually": 3.0, "Canberra": 3.0, "zehn Minuten": 3.0, "省电模式": 3.0}, default=-3.0)
OOPS = FakeResponse(b"oops", status=500)
LATE = Failed(Why.DEADLINE)
UNREACHABLE = Failed(Why.UNREACHABLE, "connection refused")
NOT_TESTED = Failed(Why.SELF_TEST, "the known pairs have not been scored yet")

Returned = list[tuple[RerankServer, bool]]


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def make(url: str, returned: Returned, **settings: Any) -> RerankServer:
    prompts = PromptBuilder(BACKENDS["vllm"], PROFILES["bge-reranker"], "some/model", 10_000)
    return RerankServer(fake_settings(**settings), url, prompts, lambda *one: returned.append(one))


@asynccontextmanager
async def serving(response: Any, **settings: Any) -> AsyncIterator[tuple[RerankServer, Returned]]:
    """A server that answers like this, and what was reported of its return."""
    async with serve_fake(FakeServer({"/": response})) as fake:
        returned: Returned = []
        with capture_logs():
            server = make(fake.url, returned, **settings)
            try:
                yield server, returned
            finally:
                await server.close()


class Script:
    """A server without a network and its clock: requests wait until they are answered by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.server = make("http://one", [], self_test=False)
        self.waiting: list[asyncio.Future[list[float] | Failed]] = []
        monkeypatch.setattr(server_module, "time", self)
        monkeypatch.setattr(self.server._transport, "ask", self._ask)

    def monotonic(self) -> float:
        return self.now

    async def _ask(self, _call: RerankCall, _deadline: float) -> list[float] | Failed:
        self.waiting.append(asyncio.get_running_loop().create_future())
        return await self.waiting[-1]

    async def send(self, count: int, seconds: float = 5.0, patience: float = 0.0) -> list[asyncio.Task[Any]]:
        """Send *count* requests with a deadline *seconds* from now."""
        ask = self.server.ask
        tasks = [asyncio.create_task(ask(CALL, self.now + seconds, patience)) for _ in range(count)]
        await asyncio.sleep(0)
        return tasks

    async def answer(self, *answers: list[float] | Failed) -> None:
        """Answer the requests that have waited longest."""
        for answer in answers:
            self.waiting.pop(0).set_result(answer)
            await asyncio.sleep(0)
            await asyncio.sleep(0)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    return Script(monkeypatch)


async def test_a_fault_makes_it_suspect_and_an_answer_healthy() -> None:
    responses = [OOPS]
    async with serving(lambda seen: responses[0] if responses else score_response()(seen)) as (server, returned):
        assert await server.ask(CALL, soon()) == Failed(Why.RERANKER_ERROR, "HTTP 500: oops")
        assert (server.health.state, server.health.problem) == (HealthState.SUSPECT, "reranker_error: HTTP 500: oops")
        responses.clear()
        assert isinstance(await server.ask(CALL, soon()), list)
        assert (server.health.state, server.health.problem, returned) == (HealthState.HEALTHY, "", [])


def test_requests_and_tokens_in_flight_are_limited() -> None:
    server = make("http://one", [], reranker_max_requests=2, reranker_max_tokens=1000)
    assert server.has_room(5000), "a request above the limit is sent alone"
    server.reserve(0.0, 400)
    assert [server.has_room(600), server.has_room(601)] == [True, False]
    server.reserve(0.0, 400)
    assert not server.has_room(1)
    server.throughput.dropped(400)
    assert server.has_room(600)


@pytest.mark.parametrize(("rate", "limit"), [(None, 1024), (300.0, 300), (1e9, 262_144)])
def test_a_server_with_vectors_has_at_most_a_second_of_work(rate: float | None, limit: int) -> None:
    prompts = PromptBuilder(vector_backend(BACKENDS["vllm"], Precision.HALF), PROFILES["e5"], "some/model", 10_000)
    server = RerankServer(fake_settings(reranker_max_requests=3), "http://one", prompts, lambda *_: None)
    if rate:
        server.throughput.done_tokens, server.throughput.busy_seconds = rate, 1.0
    assert (server.max_tokens, server.has_room(10**9)) == (limit, True)
    server.throughput.started(0.0, 0)
    assert server.has_room(10**9), "the vector of a query is no work"
    server.throughput.started(0.0, limit - 10)
    assert [server.has_room(10), server.has_room(11), server.has_room(0)] == [True, False, True]
    server.throughput.started(0.0, 0)
    assert not server.has_room(0)


def test_a_slot_that_is_not_used_is_released_and_so_is_the_probe() -> None:
    server = make("http://one", [])
    for _ in range(3):
        server.health.failed(UNREACHABLE, 0.0)
    assert [server.usable(0.5), server.usable(2.0)] == [False, True]
    server.reserve(2.0, 10)
    assert not server.usable(2.0)
    server.release(10)
    assert server.usable(2.0)
    assert (server.throughput.requests, server.throughput.tokens) == (0, 0)


async def test_a_server_that_answers_no_request_in_time_is_silent(script: Script) -> None:
    await script.send(9)
    script.now += 0.4
    await script.answer(LATE, LATE)
    assert script.server.health.state is HealthState.HEALTHY
    await script.answer(LATE)
    assert script.server.health.state is HealthState.SUSPECT
    await script.answer(LATE, LATE)
    assert script.server.health.state is HealthState.OPEN


async def test_a_server_that_answers_others_has_too_much_to_do_and_is_not_silent(script: Script) -> None:
    await script.send(9)
    script.now += 2.0
    await script.answer([1.0, 2.0])
    script.now += 2.0
    await script.answer(*[LATE] * 8)
    assert script.server.health.state is HealthState.HEALTHY


async def test_an_answer_ends_the_silence(script: Script) -> None:
    for _ in range(3):
        await script.send(2)
        script.now += 0.9
        await script.answer(LATE)
        script.now += 0.1
        await script.answer([1.0, 2.0])
        script.now += 0.1
    assert script.server.health.state is HealthState.HEALTHY


@pytest.mark.parametrize(("seconds", "state"), [(0.9, HealthState.HEALTHY), (1.0, HealthState.OPEN)])
async def test_a_request_with_less_time_than_the_patience_says_nothing(
    script: Script, seconds: float, state: HealthState
) -> None:
    await script.send(9, seconds, patience=1.0)
    script.now += 1.0
    await script.answer(*[LATE] * 9)
    assert script.server.health.state is state


async def test_requests_with_short_deadlines_do_not_open_the_circuit_breaker(script: Script) -> None:
    for _ in range(6):
        await script.send(1, 0.01)
        script.now += 0.01
        await script.answer(LATE)
    assert script.server.health.state is HealthState.HEALTHY


async def test_a_request_whose_client_has_gone_says_nothing_and_leaves_the_probe(script: Script) -> None:
    await script.send(3)
    await script.answer(*[UNREACHABLE] * 3)
    script.now += 1.0
    script.server.reserve(script.now, 10)
    (probe,) = await script.send(1)
    assert not script.server.usable(script.now)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert probe.cancelled()
    assert script.server.usable(script.now)


async def test_a_late_probe_that_says_nothing_leaves_the_slot(script: Script) -> None:
    await script.send(3)
    await script.answer(*[UNREACHABLE] * 3)
    script.now += 1.0
    script.server.reserve(script.now, 10)
    await script.send(1, 0.1, patience=1.0)
    script.now += 0.1
    await script.answer(LATE)
    assert script.server.usable(script.now)


@pytest.mark.parametrize("self_test", [False, True])
async def test_the_return_of_a_server_that_was_unreachable_is_reported(self_test: bool) -> None:
    async with serving(score_response(), self_test=self_test) as (server, returned):
        server.health.self_test_passed()
        server.health.failed(UNREACHABLE, 0.0)
        answer = await server.ask(CALL, soon())
        assert answer == (NOT_TESTED if self_test else [0.0, 0.0])
        assert returned == [(server, self_test)]
        assert await server.ask(CALL, soon()) == answer
        assert len(returned) == 1


async def test_a_server_that_returns_while_it_is_untested_needs_no_further_self_test() -> None:
    async with serving(score_response(), self_test=True) as (server, returned):
        server.health.failed(UNREACHABLE, 0.0)
        assert await server.ask(CALL, soon()) == NOT_TESTED
        assert returned == [(server, False)]


async def test_the_throughput_is_forgotten_with_the_first_answer_after_a_fault(script: Script) -> None:
    throughput = script.server.throughput
    throughput.started(0.0, 100)
    throughput.ended(1.0, 100, 0.0, answered=True)
    await script.send(3)
    await script.answer([1.0], UNREACHABLE)
    assert throughput.rate == 100
    await script.answer([1.0])
    assert throughput.rate is None


async def test_a_healthy_server_is_only_looked_at(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("answered", "admits", "probe_sent", "probe_released", "_apply"):
        monkeypatch.setattr(type(script.server.health), name, None)
    assert script.server.usable(0.0)
    script.server.reserve(script.now, 10)
    (task,) = await script.send(1)
    script.now += 1.0
    await script.answer([1.0])
    assert await task == [1.0]
    assert script.server.health.answered_at == script.now


async def test_it_is_used_once_it_has_passed_its_own_self_test() -> None:
    async with serving(RIGHT, self_test=True) as (server, _):
        assert not server.usable(0.0)
        await asyncio.wait_for(server.self_test.run(), 5)
        assert server.usable(0.0)


async def test_a_server_that_fails_during_its_self_test_is_tested_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test_module, "_PAUSE_SECONDS", 0.0)
    pending = [OOPS]
    async with serving(lambda seen: pending.pop() if pending else RIGHT(seen), self_test=True) as (server, _):
        await asyncio.wait_for(server.self_test.run(), 5)
        assert server.health.state is HealthState.HEALTHY


async def test_without_patience_every_late_request_of_a_silent_server_is_a_fault(script: Script) -> None:
    tasks = [asyncio.create_task(script.server.ask(CALL, script.now + 0.5)) for _ in range(2)]
    await asyncio.sleep(0)
    script.now += 0.5
    await script.answer(LATE, LATE)
    assert script.server.health.state is HealthState.SUSPECT
    assert [task.result() for task in tasks] == [LATE, LATE]


async def test_a_model_that_ranks_the_known_pairs_wrongly_is_its_problem() -> None:
    async with serving(score_response({}, default=1.0), self_test=True) as (server, _):
        running = asyncio.create_task(server.self_test.run())
        await until(lambda: server.health.problem)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert server.health.problem.startswith("self_test: 4 of 4 known pairs")


async def test_texts_that_are_too_long_are_no_fault_of_the_server() -> None:
    async with serving(FakeResponse(b"input length is too long", status=400)) as (server, _):
        server.health.failed(UNREACHABLE, 0.0)
        found = await server.ask(CALL, soon())
        assert isinstance(found, Failed)
        assert (found.why, server.health.fault) == (Why.TOO_LONG, None)


@pytest.mark.parametrize("bad", [FakeResponse(b'{"detail":"no"}', status=400), FakeResponse(b"no scores")])
async def test_a_text_that_a_server_refuses_does_not_open_the_circuit_breaker(bad: FakeResponse) -> None:
    def respond(received: ReceivedRequest) -> FakeResponse:
        return bad if "poison" in str(received.json) else RIGHT(received)

    poison = RerankCall("leaking hose", ["a", "poison"], "some/model")
    async with serving(respond, self_test=False) as (server, _):
        for _ in range(MAX_FAULTS + 1):
            answer = await server.ask(poison, soon())
            assert isinstance(answer, Failed)
            assert answer.why in {Why.REFUSED, Why.BAD_ANSWER}
        together = await asyncio.gather(*(server.ask(poison, soon()) for _ in range(MAX_FAULTS + 1)))
        assert all(isinstance(one, Failed) for one in together)
        assert server.health.state is HealthState.HEALTHY
        assert server.health.fault is None


async def test_a_server_that_refuses_the_known_pair_as_well_is_at_fault() -> None:
    async with serving(FakeResponse(b'{"detail":"no"}', status=400), self_test=False) as (server, _):
        for _ in range(MAX_FAULTS):
            await server.ask(CALL, soon())
        assert server.health.state is HealthState.OPEN


async def test_a_batch_that_fails_during_the_check_of_another_one_waits_for_it(script: Script) -> None:
    tasks = await script.send(2)
    refused = Failed(Why.REFUSED, "HTTP 400")
    await script.answer(refused, refused)
    assert len(script.waiting) == 1, "one check for both"
    assert not any(task.done() for task in tasks)
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    await script.answer(refused)
    assert await tasks[1] == refused
    assert script.server.health.fault == refused


async def test_a_refusal_without_the_time_to_check_it_says_nothing(script: Script) -> None:
    for _ in range(MAX_FAULTS + 1):
        (asked,) = await script.send(1)
        await script.answer(Failed(Why.REFUSED, "HTTP 400"), LATE)
        assert isinstance(await asked, Failed)
    assert script.server.health.state is HealthState.HEALTHY


async def test_the_first_scores_of_a_server_that_was_unreachable_are_not_used() -> None:
    pending: list[FakeResponse] = []
    async with serving(lambda seen: pending.pop() if pending else RIGHT(seen), self_test=True) as (
        server,
        returned,
    ):
        await asyncio.wait_for(server.self_test.run(), 5)
        server.health.failed(UNREACHABLE, 0.0)
        pending.append(FakeResponse(b"loading", status=503))
        first = await server.ask(CALL, soon())
        assert isinstance(first, Failed)
        assert first.why is Why.RERANKER_ERROR
        assert await server.ask(CALL, soon()) == NOT_TESTED
        assert (returned, server.usable(0.0)) == ([(server, True)], False)
        await asyncio.wait_for(server.self_test.run(), 5)
        assert await server.ask(CALL, soon()) == [-3.0, -3.0]


def test_repr_shows_state_and_load_and_no_credentials() -> None:
    server = make("http://user:s3cret@gpu:8000/v1", [], reranker_api_key="k3y")
    server.reserve(0.0, 10)
    text = repr(server)
    assert text.startswith("<RerankServer http://gpu:8000/v1 <ServerHealth healthy: 0 faults in a row> <Throughput")
    assert not any(secret in text for secret in ("s3cret", "user", "k3y"))


def test_repr_shows_the_path_of_a_unix_socket() -> None:
    assert repr(make("unix:/run/vllm.sock", [])).startswith("<RerankServer unix:/run/vllm.sock <ServerHealth")
