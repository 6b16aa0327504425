"""Measures how long the engine takes, so that a search is split into two phases only if there is time for both."""

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
# Share of the time until the deadline that the query phase and the fetch phase may each take. The rest is for the
# model. If the engine is slower than expected, there is still time for the client's own request.
_MAX_SHARE = 0.25
# If a request is faster than the stored time, the stored time is reduced by this share of the difference. If a request
# is slower, its time is stored.
_DECAY = 0.2
# After this many requests for the whole window in full, a query phase and a fetch phase are tried again, because they
# may be faster than one such request, for example if it has highlights.
_MAX_WINDOWS = 100


@dataclass(slots=True)
class _Taken:
    """The estimate for one request path.

    Attributes:
        seconds: Estimated time of a query phase or fetch phase.
        windows: Number of requests for the whole window in full since the last query phase or fetch phase.

    """

    seconds: float
    windows: int = 0


class EngineTimes:
    """The estimated engine times by request path, with a bounded number of entries."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Create an empty store. *clock* returns values like those of `time.monotonic()`."""
        self._clock = clock
        self._taken: OrderedDict[str, _Taken] = OrderedDict()

    def __repr__(self) -> str:
        """Show the number of entries."""
        return f"EngineTimes({len(self._taken)})"

    def allow_two(self, path: str, deadline: float) -> bool:
        """Return whether a query phase and a fetch phase are expected to leave time for the model.

        Args:
            path: The path of the client's request.
            deadline: When the search must be answered, as a value of the clock.

        """
        taken = self._taken.get(path)
        return (taken.seconds if taken else 0.0) < (deadline - self._clock()) * _MAX_SHARE

    async def timed(
        self, path: str, plans: Sequence[Plan], options: CallOptions, request: Awaitable[Result]
    ) -> Result | Skip:
        """Await an engine request, and measure its time.

        A query phase that takes longer than a quarter of the remaining time is canceled, so that there is time for the
        client's own request.

        Args:
            path: The path of the client's request.
            plans: The plans of the searches in the request; at least one.
            options: The options of the client's request.
            request: The engine request, which has not started yet.

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
            # The request was canceled, so its time is at least this long.
            self._learn(path, left, whole=False)
            return Skip(Why.DEADLINE)
        self._learn(path, self._clock() - started, whole=phases == {FetchPhase.WINDOW})
        return result

    def _learn(self, path: str, seconds: float, *, whole: bool) -> None:
        """Update the estimate for a path from the time of one request, in seconds.

        A request for the *whole* window in full takes as long as a query phase or longer. It only lowers the estimate.
        """
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
        """Store the estimate for a path, or remove it after too many whole-window requests without a query phase."""
        self._taken[path] = taken
        self._taken.move_to_end(path)
        if taken.windows >= _MAX_WINDOWS:
            del self._taken[path]
        elif len(self._taken) > _MAX_ENTRIES:
            self._taken.popitem(last=False)
