"""Counts the results of the searches that a load test sends to one side, the baseline or the endpoint."""

from __future__ import annotations

from collections import Counter, defaultdict

from es_rerank.evaluation.client import OK, Reply, reason
from es_rerank.evaluation.headers import parse_outcome, parse_timings
from es_rerank.load_test.histogram import Histogram

_MAX_REASONS = 20
_OTHER = "other errors"


class Tally:
    """The results of the searches on one side, the baseline or the endpoint.

    Attributes:
        times: Response times of the searches that were answered with status 200, and of the searches that timed out.
        timings: The times that es-rerank reports in `Server-Timing`, by the name of the entry.
        outcomes: Number of searches with status 200 by state and reason, as reported in `X-Rerank`.
        errors: Number of failed searches by error: a status other than 200, or no response.
        unsent: Number of searches that were due but not sent, because too many were in flight.
        busy_seconds: Total duration of the blocks in seconds, each until its last response.
        scored: Number of hits that the model scored.
        cached: Number of these hits whose scores came from the cache.

    """

    def __init__(self) -> None:
        """Start without results. Raises EsRerankError if the package hdrhistogram is not installed."""
        self.times = Histogram()
        self.timings: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.outcomes: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.unsent = 0
        self.busy_seconds = 0.0
        self.scored = 0
        self.cached = 0

    def add(self, reply: Reply, seconds: float) -> None:
        """Add a response that was received *seconds* after its search was due."""
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
        """The number of searches that were answered with status 200."""
        return self.outcomes.total()

    @property
    def sent(self) -> int:
        """The number of searches that were sent and have ended."""
        return self.answered + self.errors.total()
