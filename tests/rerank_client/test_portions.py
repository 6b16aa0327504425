from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from es_rerank.rerank_client.portions import PORTION_CHARACTERS, in_portions

SHARE = PORTION_CHARACTERS // 4


def doubled(items: Sequence[int]) -> list[int]:
    return [2 * item for item in items]


async def test_short_texts_are_processed_at_once_on_the_event_loop() -> None:
    threads = []

    def work(items: Sequence[int]) -> list[int]:
        threads.append(threading.current_thread())
        return doubled(items)

    assert await in_portions(work, [1, 2, 3], [SHARE] * 3) == [2, 4, 6]
    assert threads == [threading.main_thread()]
    assert await in_portions(work, [1, 2, 3, 4], [SHARE] * 4) == [2, 4, 6, 8]
    assert len(threads) == 2
    assert threads[1] is not threading.main_thread()
    await in_portions(work, [1], [1], thread=True)
    assert threads[2] is not threading.main_thread()


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([SHARE] * 5, [[0, 1, 2, 3], [4]]),
        ([1, 5 * SHARE, 1], [[0], [1], [2]]),
        ([5 * SHARE], [[0]]),
        ([2 * SHARE, 2 * SHARE, 2 * SHARE], [[0, 1], [2]]),
    ],
)
async def test_long_texts_are_processed_in_portions(sizes: list[int], expected: list[list[int]]) -> None:
    portions: list[list[int]] = []

    def work(items: Sequence[int]) -> list[int]:
        portions.append(list(items))
        return doubled(items)

    numbers = list(range(len(sizes)))
    assert await in_portions(work, numbers, sizes) == doubled(numbers)
    assert portions == expected


async def test_no_text_is_no_work() -> None:
    assert await in_portions(doubled, [], []) == []
    assert await in_portions(doubled, [], [], thread=True) == []


async def test_after_the_deadline_no_further_portion_is_processed() -> None:
    begun = threading.Event()
    released = threading.Event()
    portions = []

    def work(items: Sequence[int]) -> list[int]:
        portions.append(list(items))
        begun.set()
        released.wait(10)
        return doubled(items)

    task = asyncio.create_task(in_portions(work, [1, 2, 3], [PORTION_CHARACTERS] * 3))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    released.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert portions == [[1]]
