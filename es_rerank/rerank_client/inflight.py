"""The batches that are being asked for, so that equal pairs are asked once, and none that nobody waits for any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from es_rerank.model import Failed, Why

Asking = Callable[[], Coroutine[None, None, list[float] | Failed]]
"""Asks for one batch; gives a score a pair, in their order."""


@dataclass(slots=True, eq=False)
class InFlightBatch:
    """One batch on its way: where in its answer each pair stands, and how many searches wait for it."""

    places: Mapping[bytes, int]
    answer: asyncio.Future[list[float] | Failed]
    task: asyncio.Task[list[float] | Failed]
    waiting: int = 0


class InFlight:
    """State: what is on its way, by pair."""

    def __init__(self, remember: Callable[[bytes, float], None]) -> None:
        """Have every score remembered, whoever waits for it."""
        self._remember = remember
        self._flying: dict[bytes, InFlightBatch] = {}

    def __contains__(self, key: bytes) -> bool:
        """Tell whether a pair is being asked for."""
        return key in self._flying

    def begin(self, keys: Sequence[bytes], asking: Asking) -> None:
        """Ask for a batch of pairs, none of which is being asked for."""
        places = {key: at for at, key in enumerate(keys)}
        flight = InFlightBatch(places, asyncio.get_running_loop().create_future(), asyncio.create_task(asking()))
        self._flying |= dict.fromkeys(keys, flight)
        flight.task.add_done_callback(partial(self._landed, flight))

    @contextmanager
    def awaited(self, keys: Iterable[bytes]) -> Iterator[Mapping[InFlightBatch, Sequence[bytes]]]:
        """Give the flights of pairs, in their order; one that nobody waits for at the end of it is called off."""
        found: dict[InFlightBatch, list[bytes]] = {}
        for key in keys:
            found.setdefault(self._flying[key], []).append(key)
        for flight in found:
            flight.waiting += 1
        try:
            yield found
        finally:
            for flight in found:
                flight.waiting -= 1
                if not flight.waiting:
                    flight.task.cancel()

    def call_off(self) -> set[asyncio.Task[list[float] | Failed]]:
        """Call all of them off; give what is ending."""
        tasks = {flight.task for flight in self._flying.values()}
        for task in tasks:
            task.cancel()
        return tasks

    async def close(self) -> None:
        """Call all of them off, and wait until they have ended."""
        await asyncio.gather(*self.call_off(), return_exceptions=True)

    def _landed(self, flight: InFlightBatch, task: asyncio.Task[list[float] | Failed]) -> None:
        """Hand the answer to all who wait for it; what is called off, perhaps before it began, ran out of time."""
        for key in flight.places:
            del self._flying[key]
        if not task.cancelled() and (error := task.exception()):
            flight.answer.set_exception(error)
            return
        answer = Failed(Why.DEADLINE) if task.cancelled() else task.result()
        if not isinstance(answer, Failed):
            for key, at in flight.places.items():
                self._remember(key, answer[at])
        flight.answer.set_result(answer)
