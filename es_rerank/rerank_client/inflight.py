"""The batches in flight: a pair that several searches need is scored once, and canceled once no search waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from es_rerank.model import Failed, Why

Answer = list[float] | Failed
"""The score of each pair of a batch, in order, or the fault."""
Request = Callable[[], Coroutine[None, None, Answer]]
"""Requests the scores of one batch."""
Remember = Callable[[Collection[bytes], Sequence[float]], None]
"""Receives the pairs of a batch and their scores."""


@dataclass(slots=True, eq=False)
class InFlightBatch:
    """One batch in flight.

    Attributes:
        positions: Where the score of each pair is in the answer.
        answer: What all searches that need the batch wait for.
        task: The request.
        waiters: How many searches wait.

    """

    positions: Mapping[bytes, int]
    answer: asyncio.Future[Answer]
    task: asyncio.Task[Answer]
    waiters: int = 0


class InFlight:
    """The batches in flight, by pair."""

    def __init__(self, remember: Remember) -> None:
        """Pass every score to *remember*, whether a search still waits for it or not."""
        self._remember = remember
        self._batches: dict[bytes, InFlightBatch] = {}

    def not_started(self, keys: Iterable[bytes]) -> list[bytes]:
        """Return the pairs that are not in flight."""
        return [key for key in keys if key not in self._batches]

    def start(self, keys: Sequence[bytes], request: Request) -> None:
        """Start the request for a batch of pairs, none of which is in flight."""
        positions = {key: position for position, key in enumerate(keys)}
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        batch = InFlightBatch(positions, answer, asyncio.create_task(request()))
        self._batches |= dict.fromkeys(keys, batch)
        batch.task.add_done_callback(partial(self._finish, batch))

    @contextmanager
    def awaited(self, keys: Iterable[bytes]) -> Iterator[Mapping[InFlightBatch, Sequence[bytes]]]:
        """Wait for the batches of pairs; at the end, a batch without waiters is canceled.

        Yields:
            The batches and the pairs that are wanted of each, in the order of the pairs.

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
        """Cancel all batches and wait until they have ended."""
        await asyncio.gather(*self.cancel_all(), return_exceptions=True)

    def _finish(self, batch: InFlightBatch, task: asyncio.Task[Answer]) -> None:
        """Pass the answer to all waiters; a batch that was canceled, perhaps before it was sent, ran out of time."""
        for key in batch.positions:
            del self._batches[key]
        if not task.cancelled() and (error := task.exception()):
            batch.answer.set_exception(error)
            return
        answer = Failed(Why.DEADLINE) if task.cancelled() else task.result()
        if not isinstance(answer, Failed):
            self._remember(batch.positions, answer)
        batch.answer.set_result(answer)
