"""Processes texts without blocking the event loop. Long texts are processed in threads, in portions.

The work can be canceled between two portions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

PORTION_CHARACTERS = 200_000
"""Maximum number of characters in one portion. Shorter texts are processed on the event loop."""


async def in_portions(
    work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], sizes: Sequence[int], *, thread: bool = False
) -> list[Result]:
    """Process texts, and return the results in the same order. If the caller is canceled, no further portion starts.

    Args:
        work: Processes some of the items and returns one result for each.
        items: The texts, or objects that contain them.
        sizes: The number of characters of each text.
        thread: Whether to use a thread even for short texts.

    """
    if not thread and sum(sizes) < PORTION_CHARACTERS:
        return work(items)
    results: list[Result] = []
    for portion in _portions(sizes):
        results += await asyncio.to_thread(work, items[portion])
    return results


def _portions(sizes: Sequence[int]) -> Iterator[slice]:
    """Yield slices of a list of texts, of at most `PORTION_CHARACTERS` each. A longer text is a slice of its own."""
    start, total = 0, 0
    for index, size in enumerate(sizes):
        if index > start and total + size > PORTION_CHARACTERS:
            yield slice(start, index)
            start, total = index, 0
        total += size
    if sizes:
        yield slice(start, len(sizes))
