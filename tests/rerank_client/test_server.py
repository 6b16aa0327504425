from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank.model import Failed, Why
from es_rerank.rerank.backends import BACKENDS, Question
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder
from es_rerank.rerank_client.server import Server
from es_rerank.testing import (
    FakeResponse,
    FakeServer,
    ReceivedRequest,
    fake_settings,
    score_response,
    serve_fake,
    until,
)

QUESTION = Question("leaking hose", ["a", "b"], "some/model")
RIGHT = score_response({"tap usually": 3.0, "Canberra": 3.0, "zehn Minuten": 3.0, "省电模式": 3.0}, default=-3.0)


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


@asynccontextmanager
async def one(says: Any, **more: Any) -> AsyncIterator[tuple[Server, list[Server]]]:
    """A server, and those that have returned."""
    async with serve_fake(FakeServer({"/": says})) as fake:
        chosen = fake_settings(reranker=fake, **more)
        reader = PromptBuilder(BACKENDS["vllm"], PROFILES["bge-reranker"], "some/model", 10_000)
        returned: list[Server] = []
        with capture_logs():
            server = Server(chosen, fake.url, reader, returned.append)
            yield server, returned
            await server.close()


async def test_an_answer_and_a_fault() -> None:
    says = [FakeResponse(b"oops", status=500)]
    async with one(lambda seen: says[0] if says else score_response()(seen)) as (server, returned):
        fault = await server.ask(QUESTION, soon())
        assert isinstance(fault, Failed)
        assert server.complaint == "reranker_error: HTTP 500: oops"
        assert not server.sound
        says.clear()
        assert isinstance(await server.ask(QUESTION, soon()), list)
        assert (server.complaint, server.sound, returned) == ("", True, [])


async def test_it_takes_so_many_requests_at_a_time_and_so_many_tokens() -> None:
    async with one(score_response(), reranker_max_requests=2, reranker_max_tokens=1000) as (server, _):
        assert server.fits(5000), "what is too much for any server goes alone"
        server.take(0.0, 400)
        assert [server.fits(600), server.fits(601)] == [True, False]
        server.take(0.0, 400)
        assert not server.fits(1)
        server.pace.dropped(400)
        assert server.fits(600)


async def test_a_place_that_is_not_used_is_given_back_and_so_is_the_right_to_probe() -> None:
    async with one(FakeResponse(b"oops", status=500)) as (server, _):
        for _ in range(3):
            await server.ask(QUESTION, soon())
        assert server.breaker.opened is not None
        later = server.breaker.opened + 2
        assert server.usable(later)
        server.take(later, 10)
        assert not server.usable(later)
        server.spare(10)
        assert server.usable(later)
        assert (server.pace.calls, server.pace.tokens) == (0, 0)


@pytest.mark.parametrize(("others", "silent"), [(True, False), (False, True)])
async def test_a_server_that_has_too_much_to_do_is_not_silent(others: bool, silent: bool) -> None:
    def says(seen: ReceivedRequest) -> FakeResponse:
        return FakeResponse(b"", seconds=9) if seen.json["text_1"] == "slow" else score_response()(seen)

    async with one(says) as (server, _):
        seconds = 3.0 if others else 0.2  # others must be answered meanwhile, however slow the machine is
        waiting = [asyncio.create_task(server.ask(replace(QUESTION, query="slow"), soon(seconds))) for _ in range(9)]
        await asyncio.sleep(0.05)
        if others:
            await server.ask(QUESTION, soon())
        found = await asyncio.gather(*waiting)
        assert {one.why for one in found if isinstance(one, Failed)} == {Why.DEADLINE}
        assert server.sound is not silent
        assert (server.breaker.opened is not None) is silent


async def test_clients_in_a_hurry_do_not_have_it_left_in_peace() -> None:
    async with one(lambda seen: replace(score_response()(seen), seconds=0.1)) as (server, _):
        for _ in range(6):
            assert isinstance(await server.ask(QUESTION, soon(0.01)), Failed)
        assert server.sound
        assert server.breaker.opened is None
        assert isinstance(await server.ask(QUESTION, soon()), list)


async def test_a_server_that_was_gone_is_told_of() -> None:
    async with one(score_response()) as (server, returned):
        server._note(Failed(Why.UNREACHABLE, "refused"))
        assert isinstance(await server.ask(QUESTION, soon()), list)
        assert returned == [server]


async def test_what_was_learnt_of_its_pace_ends_with_a_fault() -> None:
    async with one(score_response()) as (server, _):
        server.pace.began(0.0, 100)
        server.pace.ended(1.0, 100, 0.0, answered=True)
        server._note(Failed(Why.DEADLINE))
        assert server.pace.rate == 100
        server._note([1.0])
        assert server.pace.rate is None


async def test_it_is_used_once_it_has_passed_its_own_self_test() -> None:
    async with one(RIGHT, self_test=True) as (server, _):
        assert not server.usable(0.0)
        await asyncio.wait_for(server.trial.run(), 5)
        assert server.usable(0.0)


async def test_the_fault_of_a_self_test_is_its_complaint() -> None:
    async with one(score_response({}, default=1.0), self_test=True) as (server, _):
        running = asyncio.create_task(server.trial.run())
        await until(lambda: server.complaint)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert server.complaint.startswith("self_test: 4 of 4 known pairs")


async def test_texts_that_are_too_long_are_no_fault_of_it() -> None:
    async with one(FakeResponse(b"input length is too long", status=400)) as (server, _):
        found = await server.ask(QUESTION, soon())
        assert isinstance(found, Failed)
        assert (found.why, server.fault) == (Why.TOO_LONG, None)


async def test_clients_that_wait_for_less_than_others_do_not_have_it_left_in_peace() -> None:
    async with one(FakeResponse(b"", seconds=9)) as (server, _):
        hurried = [server.ask(QUESTION, soon(0.2), patience=0.3) for _ in range(9)]
        assert {answer.why for answer in await asyncio.gather(*hurried) if isinstance(answer, Failed)} == {Why.DEADLINE}
        assert server.sound
        patient = [server.ask(QUESTION, soon(0.4), patience=0.3) for _ in range(9)]
        await asyncio.gather(*patient)
        assert not server.sound
        assert server.breaker.opened is not None


async def test_a_server_that_was_gone_is_asked_in_earnest_only_once_it_has_passed_again() -> None:
    loading = [FakeResponse(b"loading", status=503)]
    async with one(lambda seen: loading.pop() if loading else RIGHT(seen), self_test=True) as (server, returned):
        server._returned = lambda one: (returned.append(one), one.trial.again())
        loading.clear()
        await asyncio.wait_for(server.trial.run(), 5)
        server._note(Failed(Why.UNREACHABLE, "connection refused"))
        loading.append(FakeResponse(b"loading", status=503))
        first = await server.ask(QUESTION, soon())
        assert isinstance(first, Failed)
        assert first.why is Why.RERANKER_ERROR
        assert await server.ask(QUESTION, soon()) == Failed(Why.SELF_TEST, "the known pairs have not been scored yet")
        assert (returned, server.usable(0.0)) == ([server], False)
        await asyncio.wait_for(server.trial.run(), 5)
        assert await server.ask(QUESTION, soon()) == [-3.0, -3.0]
