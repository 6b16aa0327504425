"""Remembers how long the engine takes for a search, so that two requests are planned only where both are in time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from es_rerank.model import CallOptions, FetchPhase, Plan, Skip, Why

Result = TypeVar("Result")

_MAX_ENTRIES = 1000
# Share of the time left that each of two requests may take; the model gets the rest. If the engine is slower than
# expected, the client's own request can still be in time.
_MAX_SHARE = 0.25
# How much of the difference to a shorter time is taken over with each request. A longer time counts at once.
_DECAY = 0.2
# After so many requests for a whole window, two requests are tried again: a window may take longer than both, for
# example because of its highlights.
_MAX_WINDOWS = 100


@dataclass(slots=True)
class _Taken:
    """The time of requests to one path, in seconds, and the number of whole windows requested since it was measured."""

    seconds: float
    windows: int = 0


class EngineTimes:
    """The times by request path, with a bounded number of entries."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Create an empty store; *clock* returns monotonic time, in seconds."""
        self._clock = clock
        self._taken: OrderedDict[str, _Taken] = OrderedDict()

    def __repr__(self) -> str:
        """Show the number of entries."""
        return f"EngineTimes({len(self._taken)})"

    def allow_two(self, path: str, deadline: float) -> bool:
        """Return whether two requests are expected to leave time for the model.

        Args:
            path: The path of the client's request.
            deadline: When the search must be answered, in monotonic seconds.

        """
        taken = self._taken.get(path)
        return (taken.seconds if taken else 0.0) < (deadline - self._clock()) * _MAX_SHARE

    async def timed(
        self, path: str, plans: Sequence[Plan], options: CallOptions, request: Awaitable[Result]
    ) -> Result | Skip:
        """Await an engine request, and learn how long it takes.

        A query phase that takes longer than its share of the time left is canceled, so that the client's own request
        can be in time.

        Args:
            path: The path of the client's request.
            plans: The plans of the searches in the request; at least one.
            options: The options of the client's request.
            request: The request.

        Returns:
            The result of *request*, or a skip if it was canceled.

        """
        phases = {plan.fetch.phase for plan in plans}
        started = self._clock()
        left = min(options.deadline_of(plan.rule) for plan in plans) - started
        try:
            async with asyncio.timeout(left * _MAX_SHARE if FetchPhase.QUERY in phases else None):
                result = await request
        except TimeoutError:
            # How much longer it takes is not known.
            self._learn(path, left, whole=False)
            return Skip(Why.DEADLINE)
        self._learn(path, self._clock() - started, whole=phases == {FetchPhase.WINDOW})
        return result

    def _learn(self, path: str, seconds: float, *, whole: bool) -> None:
        """Remember how long a request took. One for a *whole* window takes at least as long as a query phase."""
        taken = self._taken.get(path)
        if taken is None:
            if whole:
                return
            taken = _Taken(seconds)
        elif whole:
            taken.seconds = min(taken.seconds, seconds)
            taken.windows += 1
        else:
            taken.seconds = max(seconds, taken.seconds + (seconds - taken.seconds) * _DECAY)
            taken.windows = 0
        self._keep(path, taken)

    def _keep(self, path: str, taken: _Taken) -> None:
        """Store an entry as the most recent one, or remove it if it is no longer certain."""
        self._taken[path] = taken
        self._taken.move_to_end(path)
        if taken.windows >= _MAX_WINDOWS:
            del self._taken[path]
        elif len(self._taken) > _MAX_ENTRIES:
            self._taken.popitem(last=False)
