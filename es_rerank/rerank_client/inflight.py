"""The batches in flight. Searches that need the same score share its request, canceled when no search waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from es_rerank.model import Failed, Why

Answer = list[float] | Failed
"""The scores of a batch, in the order of its pairs, or the failure of the request."""
Request = Callable[[], Coroutine[None, None, Answer]]
"""Requests the scores of one batch."""
Remember = Callable[[Collection[bytes], Sequence[float]], None]
"""Stores the scores of a batch in the cache; the arguments are the keys of its pairs and their scores."""


@dataclass(slots=True, eq=False)
class InFlightBatch:
    """One batch of (query, passage) pairs in flight.

    Attributes:
        positions: The index of each pair's score in the answer, by the key of the pair.
        answer: Resolves to the answer for all searches that wait for the batch.
        task: The task that sends the request.
        waiters: Number of searches that wait for the batch.

    """

    positions: Mapping[bytes, int]
    answer: asyncio.Future[Answer]
    task: asyncio.Task[Answer]
    waiters: int = 0


class InFlight:
    """The batches in flight, by the key of each (query, passage) pair."""

    def __init__(self, remember: Remember) -> None:
        """Start without batches. Every score is passed to *remember*, even if no search waits for it any longer."""
        self._remember = remember
        self._batches: dict[bytes, InFlightBatch] = {}

    def not_started(self, keys: Iterable[bytes]) -> list[bytes]:
        """Return the keys whose pairs are not in flight."""
        return [key for key in keys if key not in self._batches]

    def start(self, keys: Sequence[bytes], request: Request) -> None:
        """Send the request for a batch of pairs, none of which may be in flight already."""
        positions = {key: position for position, key in enumerate(keys)}
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        batch = InFlightBatch(positions, answer, asyncio.create_task(request()))
        self._batches |= dict.fromkeys(keys, batch)
        batch.task.add_done_callback(partial(self._finish, batch))

    @contextmanager
    def awaited(self, keys: Iterable[bytes]) -> Iterator[Mapping[InFlightBatch, Sequence[bytes]]]:
        """Register as a waiter for the batches with these pairs. On exit, batches without waiters are canceled.

        Yields:
            The batches, each with those of *keys* that it contains.

        """
        wanted: dict[InFlightBatch, list[bytes]] = {}
        for key in keys:
            wanted.setdefault(self._batches[key], []).append(key)
        for batch in wanted:
            batch.waiters += 1
        try:
            yield wanted
        finally:
            for batch in wanted:
                batch.waiters -= 1
                if not batch.waiters:
                    batch.task.cancel()

    def cancel_all(self) -> set[asyncio.Task[Answer]]:
        """Cancel all batches and return their tasks."""
        tasks = {batch.task for batch in self._batches.values()}
        for task in tasks:
            task.cancel()
        return tasks

    async def close(self) -> None:
        """Cancel all batches and wait until their tasks have ended."""
        await asyncio.gather(*self.cancel_all(), return_exceptions=True)

    def _finish(self, batch: InFlightBatch, task: asyncio.Task[Answer]) -> None:
        """Pass the answer to all waiters and cache the scores. A canceled batch is reported as a missed deadline."""
        for key in batch.positions:
            del self._batches[key]
        if not task.cancelled() and (error := task.exception()):
            batch.answer.set_exception(error)
            return
        answer = Failed(Why.DEADLINE) if task.cancelled() else task.result()
        if not isinstance(answer, Failed):
            self._remember(batch.positions, answer)
        batch.answer.set_result(answer)
