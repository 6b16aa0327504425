"""The scores or vectors ("values") that have been requested from the rerank servers, but not received.

Values are requested in batches. A value is in flight from the start of its batch, which may have to wait for a server,
until the answer. Searches that need the same value share its request. A batch that no search waits for any more is
canceled, unless its values are worth keeping: see `InFlight`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Container, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from es_rerank.model import Failed, Why

Value = TypeVar("Value")
"""The score of a (query, passage) pair, or the vector of a text."""


@dataclass(slots=True, eq=False)
class InFlightBatch(Generic[Value]):
    """One batch of (query, passage) pairs or of texts in flight.

    Attributes:
        positions: The index of each value in the answer, by its key.
        answer: Resolves to the answer for all searches that wait for the batch: its values, or the failure.
        task: The task that sends the request.
        waiters: Number of searches that wait for the batch.
        kept: Whether the batch is not canceled when no search waits for it.

    """

    positions: Mapping[bytes, int]
    answer: asyncio.Future[list[Value] | Failed]
    task: asyncio.Task[list[Value] | Failed]
    waiters: int = 0
    kept: bool = False


class InFlight(Generic[Value]):
    """The values in flight, by their cache keys."""

    def __init__(self, remember: Callable[[Collection[bytes], Sequence[Value]], None], max_kept: int = 0) -> None:
        """Start without batches.

        Args:
            remember: Stores the values of a batch by their keys, even if no search waits for them any longer.
            max_kept: Batches are kept if at most this many values are in flight. A kept batch is not canceled when the
                last search that waits for it reaches its deadline. Its values are stored for later searches.

        """
        self._remember = remember
        self._max_kept = max_kept
        self._batches: dict[bytes, InFlightBatch[Value]] = {}

    def __len__(self) -> int:
        """Return the number of values in flight."""
        return len(self._batches)

    def __contains__(self, key: bytes) -> bool:
        """Return whether the value with this key is in flight."""
        return key in self._batches

    def not_started(self, keys: Iterable[bytes]) -> list[bytes]:
        """Return the keys whose values are not in flight."""
        return [key for key in keys if key not in self._batches]

    def start(self, keys: Sequence[bytes], request: Callable[[], Coroutine[None, None, list[Value] | Failed]]) -> None:
        """Send the request for a batch of values, none of which may be in flight already."""
        positions = dict(zip(keys, range(len(keys)), strict=True))
        answer: asyncio.Future[list[Value] | Failed] = asyncio.get_running_loop().create_future()
        batch = InFlightBatch(positions, answer, asyncio.create_task(request()))
        self._batches |= dict.fromkeys(keys, batch)
        batch.task.add_done_callback(partial(self._finish, batch))

    @contextmanager
    def awaited(
        self, keys: Iterable[bytes], deadline: float = math.inf
    ) -> Iterator[Mapping[InFlightBatch[Value], Sequence[bytes]]]:
        """Register a search as a waiter for the batches with these values. On exit, cancel batches without waiters.

        Args:
            keys: The keys of the values.
            deadline: The deadline of the search, as a value of `time.monotonic()`. If the exit is after the deadline,
                batches are kept. An earlier exit means that the search has failed, or its client has disconnected.

        Yields:
            The batches, each with the keys among *keys* whose values it contains.

        """
        wanted: dict[InFlightBatch[Value], list[bytes]] = {}
        batches = self._batches
        for key in keys:
            wanted.setdefault(batches[key], []).append(key)
        for batch in wanted:
            batch.waiters += 1
        try:
            yield wanted
        finally:
            kept = time.monotonic() >= deadline and len(self) <= self._max_kept
            for batch in wanted:
                batch.waiters -= 1
                batch.kept = batch.kept or kept
                if not batch.waiters and not batch.kept:
                    batch.task.cancel()

    def cancel_all(self) -> set[asyncio.Task[list[Value] | Failed]]:
        """Cancel all batches and return their tasks."""
        tasks = {batch.task for batch in self._batches.values()}
        for task in tasks:
            task.cancel()
        return tasks

    async def close(self) -> None:
        """Cancel all batches and wait until their tasks have ended."""
        await asyncio.gather(*self.cancel_all(), return_exceptions=True)

    def _finish(self, batch: InFlightBatch[Value], task: asyncio.Task[list[Value] | Failed]) -> None:
        """Pass the answer to all waiters and store the values. A canceled batch is reported as a missed deadline."""
        for key in batch.positions:
            del self._batches[key]
        if not task.cancelled() and (error := task.exception()):
            batch.answer.set_exception(error)
            return
        answer = Failed(Why.DEADLINE) if task.cancelled() else task.result()
        if not isinstance(answer, Failed):
            self._remember(batch.positions, answer)
        batch.answer.set_result(answer)


async def collected(
    wanted: Mapping[InFlightBatch[Value], Sequence[bytes]], own: Container[bytes], found: dict[bytes, Value]
) -> list[bytes] | Failed:
    """Wait for the batches that `awaited` has yielded, and add their values to *found*.

    Args:
        wanted: The batches, each with the keys of the values to read from it.
        own: The keys whose values this search has requested itself.
        found: The values received so far, by key. The values of a batch are added as soon as the batch is answered.

    Returns:
        The keys to request again, because another search had requested them, and reached an earlier deadline or was
        canceled; or the failure of a batch.

    """
    retryable: list[bytes] = []
    for batch, keys in wanted.items():
        answer = await asyncio.shield(batch.answer)
        if not isinstance(answer, Failed):
            positions = batch.positions
            found.update({key: answer[positions[key]] for key in keys})
        elif answer.why is Why.DEADLINE and keys[0] not in own:
            retryable += keys
        else:
            return answer
    return retryable
