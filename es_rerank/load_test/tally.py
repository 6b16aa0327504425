"""Counts the results of the searches of one side."""

from __future__ import annotations

from collections import Counter, defaultdict

from es_rerank.evaluation.client import OK, Reply, reason
from es_rerank.evaluation.headers import parse_outcome, parse_timings
from es_rerank.load_test.histogram import Histogram

_MAX_REASONS = 20
_OTHER = "other errors"


class Tally:
    """The results of one side.

    Attributes:
        times: Response times of the answered searches and of those that timed out.
        timings: The times that es-rerank reports in `Server-Timing`, by name.
        outcomes: Number of answered searches by state and reason, as reported in `X-Rerank`.
        errors: Number of failed searches by error: a status other than 200, or no response.
        unsent: Number of searches that were due but not sent, because too many were in flight.
        busy_seconds: Time under load, from the first search of a block to its last response.
        scored: Number of hits that the model scored.
        cached: Number of these hits whose scores came from the cache.

    """

    def __init__(self) -> None:
        """Start without results. Raises EsRerankError if a package is not installed."""
        self.times = Histogram()
        self.timings: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.outcomes: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.unsent = 0
        self.busy_seconds = 0.0
        self.scored = 0
        self.cached = 0

    def add(self, reply: Reply, seconds: float) -> None:
        """Add a response, *seconds* after its search was due."""
        if reply.status != OK:
            self.add_error(f"status {reply.status}: {reason(reply.content)}")
            return
        self.times.record(seconds)
        outcome = parse_outcome(reply.headers.get("X-Rerank", ""))
        self.outcomes[outcome.label] += 1
        self.scored += outcome.window
        self.cached += outcome.cached
        for name, part in parse_timings(reply.headers.get("Server-Timing", "")).items():
            self.timings[name].record(part)

    def add_error(self, why: str) -> None:
        """Add a failed search. The first 20 different errors are counted separately, all others together."""
        self.errors[why if why in self.errors or len(self.errors) < _MAX_REASONS else _OTHER] += 1

    @property
    def answered(self) -> int:
        """The number of searches with status 200."""
        return self.outcomes.total()

    @property
    def sent(self) -> int:
        """The number of searches that were sent and have ended."""
        return self.answered + self.errors.total()
