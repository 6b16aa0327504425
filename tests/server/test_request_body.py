from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from es_rerank.model import Why
from es_rerank.server.client_request import ClientBody
from es_rerank.server.memory import Hold, MemoryBudget
from es_rerank.server.request_body import ReadBody, read_body


async def chunks(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size


@pytest.mark.parametrize(
    ("limit", "memory", "why", "parts", "held"),
    [
        (10, 10, None, 0, 10),
        (9, 100, Why.TOO_LARGE, 3, 7),
        (100, 9, Why.OUT_OF_MEMORY, 3, 7),
        (100, 3, Why.OUT_OF_MEMORY, 1, 0),
    ],
)
async def test_a_body_is_read_within_its_limits(
    limit: int, memory: int, why: Why | None, parts: int, held: int
) -> None:
    budget = MemoryBudget(memory)
    with budget.hold() as hold:
        read = await read_body(chunks(4, 3, 3), limit, hold)
        assert (read.whole, read.why, len(read.parts)) == (None if why else b"x" * 10, why, parts)
        assert budget.held == held


async def test_a_body_that_does_not_arrive_in_time_can_still_be_read_to_its_end() -> None:
    released = asyncio.Event()

    class Slow:
        """A stream whose reading can be canceled and repeated, like that of aiohttp."""

        def __init__(self) -> None:
            self.left = [b"a", b"b"]

        def __aiter__(self) -> Slow:
            return self

        async def __anext__(self) -> bytes:
            if len(self.left) == 1:
                await released.wait()
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    slow = Slow()
    assert await read_body(slow, 100, Hold(MemoryBudget(100)), 0.01) == ReadBody(None, [b"a"], Why.DEADLINE)
    released.set()
    assert [chunk async for chunk in slow] == [b"b"]


async def test_what_was_read_of_a_body_is_not_kept_while_the_client_sends_the_rest() -> None:
    """The client has sent two chunks, and stops before the end of the body."""
    budget = MemoryBudget(100)
    waiting = asyncio.Event()

    async def content() -> AsyncIterator[bytes]:
        waiting.set()
        await asyncio.Event().wait()
        yield b""

    request: Any = SimpleNamespace(content=SimpleNamespace(iter_any=content))
    sent = []
    parts = [b"a", b"b"]
    with budget.hold() as hold:
        assert hold.grow(2)

        async def send() -> None:
            async for chunk in ClientBody(request, parts, hold):
                sent.append(chunk)  # noqa: PERF401 - canceled before the end

        task = asyncio.create_task(send())
        await waiting.wait()
        assert (sent, parts, budget.held) == ([b"a", b"b"], [], 0)
        task.cancel()
    assert budget.held == 0
