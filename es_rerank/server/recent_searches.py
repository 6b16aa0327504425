"""Remembers the outcomes of the latest searches of a process, for the status page: windows, skips and failures."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from es_rerank.model import Outcome, OutcomeState, Why

_MAX_WINDOWS = 50


class RecentWindow(NamedTuple):
    """A reranked window.

    Attributes:
        at: Unix time of the search, in seconds.
        window: Number of hits that the model scored.
        of: Number of hits in the planned window.
        cached: Number of scored hits whose scores were cached.

    """

    at: float
    window: int
    of: int
    cached: int


@dataclass(slots=True)
class NotReranked:
    """The searches that were not reranked for one reason.

    Attributes:
        state: The outcome of the searches.
        why: The reason.
        searches: Number of searches.
        at: Unix time of the latest search, in seconds.
        path: Request path of the latest search.
        detail: Detail of the outcome of the latest search.

    """

    state: OutcomeState
    why: Why
    searches: int = 0
    at: float = 0.0
    path: str = ""
    detail: str = ""


class RecentSearches:
    """The outcomes of the latest searches. State: the last windows, and one entry for each reason."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start without searches; *clock* returns Unix time, in seconds."""
        self._clock = clock
        self._windows: deque[RecentWindow] = deque(maxlen=_MAX_WINDOWS)
        self._others: dict[tuple[OutcomeState, Why], NotReranked] = {}

    def __repr__(self) -> str:
        """Show the number of windows and reasons."""
        return f"RecentSearches({len(self._windows)} windows, {len(self._others)} reasons)"

    def record(self, path: str, outcomes: Iterable[Outcome]) -> None:
        """Record the searches of a request.

        Args:
            path: Path of the request.
            outcomes: The outcomes of the searches in the request.

        """
        now = self._clock()
        for outcome in outcomes:
            if outcome.why is None:
                self._windows.append(RecentWindow(now, outcome.window, outcome.of, outcome.cached))
                continue
            key = (outcome.state, outcome.why)
            entry = self._others.setdefault(key, NotReranked(*key))
            entry.searches += 1
            entry.at, entry.path, entry.detail = now, path, outcome.detail

    @property
    def windows(self) -> list[RecentWindow]:
        """The last reranked windows, newest first."""
        return list(reversed(self._windows))

    @property
    def not_reranked(self) -> list[NotReranked]:
        """One entry for each reason for which searches were not reranked, sorted by the latest search, newest first."""
        return sorted(self._others.values(), key=lambda one: -one.at)
