"""Runs functions without blocking the event loop: large inputs in a thread, and many calls with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")

# Reading and rewriting this many bytes of hits takes about 5 ms. For fewer bytes, starting a thread would take longer.
INLINE_BYTES = 192 * 1024


async def compute(size: int, function: Callable[..., Result], *arguments: Any) -> Result:
    """Return the result of a pure function. If its input of *size* bytes is large, call the function in a thread."""
    if size <= INLINE_BYTES:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)


async def gather_bounded(limit: int, work: Callable[..., Awaitable[Result]], *columns: Iterable[Any]) -> list[Result]:
    """Call *work* for each row of *columns*, like `map`, with at most *limit* calls running concurrently.

    One call is started per iteration of the event loop, because a search needs most of its CPU time at its start.

    Returns:
        The results in the order of the rows. If one call fails, the others are canceled.

    """
    slots, starts = asyncio.Semaphore(limit), asyncio.Lock()

    async def in_slot(*row: Any) -> Result:
        async with slots:
            async with starts:
                await asyncio.sleep(0)
            return await work(*row)

    tasks = [asyncio.create_task(in_slot(*row)) for row in zip(*columns, strict=False)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
