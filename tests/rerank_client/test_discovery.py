from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from es_rerank.model import Failed, Why
from es_rerank.rerank_client import discovery
from es_rerank.rerank_client.discovery import Discovery
from es_rerank.rerank_client.dns_lookup import Addresses

ONE, TWO = "http://10.0.0.1:8000", "http://10.0.0.2:8000"
DOWN = Failed(Why.UNREACHABLE, "dns://vllm:8000: timeout")


class EndError(Exception):
    """There are no more answers."""


class Clock:
    """Answers one lookup after the other without a pause, and records the pauses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Addresses | Failed) -> None:
        self.slept: list[float] = []
        self.changes: list[frozenset[str]] = []
        self.asked: list[str] = []
        self._answers = iter(answers)
        # Only the module's own pauses: other tasks of the event loop need theirs.
        monkeypatch.setattr(discovery, "asyncio", SimpleNamespace(sleep=self._sleep, gather=asyncio.gather))

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def look_up(self, name: str) -> Addresses | Failed:
        self.asked.append(name)
        try:
            return next(self._answers)
        except StopIteration:
            raise EndError from None

    async def run(self, *names: str) -> Discovery:
        found = Discovery(names, self.look_up, self.changes.append)
        with pytest.raises(EndError), capture_logs() as self.logs:
            await found.run()
        return found


def found(*urls: str, seconds: float = 5.0) -> Addresses:
    return Addresses(frozenset(urls), seconds)


async def test_a_name_is_looked_up_when_its_records_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, found(ONE, seconds=5), found(ONE, seconds=0), found(ONE, seconds=86400))
    await clock.run("dns://vllm:8000")
    assert clock.slept == [5.0, 1.0, 300.0]


async def test_changes_are_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, found(ONE), found(ONE), found(ONE, TWO), found(TWO))
    await clock.run("dns://vllm:8000")
    assert clock.changes == [{ONE}, {ONE, TWO}, {TWO}]
    assert [entry["servers"] for entry in clock.logs] == [[ONE], [ONE, TWO], [TWO]]


async def test_after_a_failed_lookup_the_servers_are_kept_and_the_name_is_asked_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch, found(ONE), DOWN, DOWN)
    ended = await clock.run("dns://vllm:8000")
    assert (clock.changes, clock.slept) == ([{ONE}], [5.0, 1.0, 1.0])
    assert ended.problems == {"dns://vllm:8000": DOWN.detail}
    assert [entry["log_level"] for entry in clock.logs] == ["info", "warning"]


async def test_a_problem_ends_with_the_next_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, DOWN, found(ONE), DOWN, found(ONE))
    assert (await clock.run("dns://vllm:8000")).problems == {}
    assert [entry["log_level"] for entry in clock.logs] == ["warning", "info", "warning"]


async def test_the_servers_of_all_names_are_reported_together() -> None:
    changes: list[frozenset[str]] = []

    async def look_up(name: str) -> Addresses:
        return found({"dns://a:8000": ONE, "dns://b:8000": TWO}[name])

    task = asyncio.create_task(Discovery(["dns://a:8000", "dns://b:8000"], look_up, changes.append).run())
    with capture_logs():
        await asyncio.sleep(0.01)
    task.cancel()
    assert changes == [{ONE}, {ONE, TWO}]


async def test_without_names_there_is_nothing_to_follow() -> None:
    async def look_up(_: str) -> Addresses:
        raise AssertionError

    await asyncio.wait_for(Discovery([], look_up, lambda _: None).run(), 1)
