"""Counts requests, passages and tokens that were sent to the rerank servers, for the metrics."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from es_rerank.model import Failed, Why
from es_rerank.rerank.backends import RerankCall

ANSWERED, CANCELED = "ok", "canceled"
STATUSES = (
    ANSWERED,
    CANCELED,
    *(
        str(why)
        for why in (
            Why.UNREACHABLE,
            Why.REFUSED,
            Why.RERANKER_ERROR,
            Why.BAD_ANSWER,
            Why.TOO_LONG,
            Why.OVERLOADED,
            Why.DEADLINE,
            Why.SELF_TEST,
        )
    ),
)
"""The possible results of a request to a rerank server: `ok`, the reason of a failure, or `canceled`.

A request is canceled if no search waits for it any more.
"""

# Maximum number of waiting times between two reads. They are read every second.
_MAX_WAITS = 10_000


@dataclass(slots=True)
class Usage:
    """The requests to one server since the start: their results, passages and approximate tokens."""

    results: Counter[str] = field(default_factory=Counter)
    passages: int = 0
    tokens: int = 0

    def add(self, call: RerankCall, tokens: int, answer: list[Any] | Failed | None) -> None:
        """Count a request that has ended; *answer* is None if it was canceled."""
        result = CANCELED if answer is None else str(answer.why) if isinstance(answer, Failed) else ANSWERED
        self.results[result] += 1
        self.passages += len(call.texts)
        self.tokens += tokens


@dataclass(frozen=True, slots=True)
class ServerReport:
    """One rerank server, for the metrics: its URL without credentials, state, requests in flight, and usage."""

    server: str
    state: str
    in_flight: int
    results: Mapping[str, int]
    passages: int
    tokens: int


class Waits:
    """The times in seconds that requests have waited for a free server, since the last call of `taken`."""

    def __init__(self) -> None:
        """Start without waiting times."""
        self._seconds: deque[float] = deque(maxlen=_MAX_WAITS)

    def add(self, seconds: float) -> None:
        """Record a waiting time."""
        self._seconds.append(seconds)

    def taken(self) -> list[float]:
        """Return the waiting times, and remove them."""
        seconds = list(self._seconds)
        self._seconds.clear()
        return seconds
