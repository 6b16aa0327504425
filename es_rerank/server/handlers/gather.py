"""Runs work for many searches of one request concurrently, within a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def gather_bounded(limit: int, work: Callable[..., Awaitable[Result]], *columns: Iterable[Any]) -> list[Result]:
    """Call *work* for each row, like `map`, with at most *limit* calls running concurrently.

    Returns:
        The results in the order of the rows. If one call fails, the others are canceled.

    """
    slots = asyncio.Semaphore(limit)

    async def in_slot(*row: Any) -> Result:
        async with slots:
            return await work(*row)

    tasks = [asyncio.create_task(in_slot(*row)) for row in zip(*columns, strict=False)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
