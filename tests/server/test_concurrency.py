from __future__ import annotations

import asyncio
import threading

import pytest

from es_rerank.errors import UpstreamError
from es_rerank.server.concurrency import INLINE_BYTES, compute, gather_bounded


@pytest.mark.parametrize(("size", "inline"), [(0, True), (INLINE_BYTES, True), (INLINE_BYTES + 1, False)])
async def test_only_a_large_input_is_processed_in_a_thread(size: int, inline: bool) -> None:
    thread, value = await compute(size, lambda value: (threading.current_thread(), value), 3)
    assert ((thread is threading.current_thread()), value) == (inline, 3)


async def test_at_most_a_number_of_searches_run_concurrently_and_results_keep_their_order() -> None:
    in_flight, highest = 0, 0

    async def work(number: int, letter: str) -> str:
        nonlocal in_flight, highest
        in_flight += 1
        highest = max(highest, in_flight)
        for _ in range(9 - number):
            await asyncio.sleep(0)
        in_flight -= 1
        return f"{letter}{number}"

    assert await gather_bounded(2, work, range(5), "abcde") == ["a0", "b1", "c2", "d3", "e4"]
    assert (in_flight, highest) == (0, 2)


async def test_other_work_of_the_event_loop_runs_between_the_starts_of_two_searches() -> None:
    turns = 0
    seen: list[int] = []

    async def count() -> None:
        nonlocal turns
        while len(seen) < 20:
            turns += 1
            await asyncio.sleep(0)

    async def work(_number: int) -> None:
        seen.append(turns)

    await asyncio.gather(count(), gather_bounded(8, work, range(20)))
    assert len(set(seen)) == 20


async def test_if_one_search_fails_the_others_are_cancelled_and_its_error_is_raised() -> None:
    failure = UpstreamError("the engine's response was cut off")
    begun, ended = [], []

    async def work(number: int) -> None:
        begun.append(number)
        try:
            await asyncio.sleep(0 if number == 1 else 60)
        finally:
            ended.append(number)
        raise failure

    with pytest.raises(UpstreamError) as raised:
        await gather_bounded(3, work, range(9))
    assert raised.value is failure
    assert {0, 1, 2} <= set(begun) == set(ended)
