"""The throughput of one rerank server in tokens a second, measured on its requests.

Pure: times are passed in, in monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

# After this many busy seconds all measurements count half.
_HALVING_SECONDS = 8.0
# The first moments of a burst say too little to turn searches away.
_MIN_BUSY_SECONDS = 1.0
# After an idle time as long as this the measurements are out of date.
_STALE_SECONDS = 60.0


@dataclass(slots=True, repr=False)
class Throughput:
    """The load of a server and its measured rate.

    Attributes:
        requests: Requests in flight.
        tokens: Their tokens.
        done_tokens: Tokens answered during `busy_seconds`.
        busy_seconds: How long at least one request was in flight; overlapping requests count once.
        busy_from: Start of the last busy interval.
        busy_until: Its end.

    """

    requests: int = 0
    tokens: int = 0
    done_tokens: float = 0.0
    busy_seconds: float = 0.0
    busy_from: float = 0.0
    busy_until: float = 0.0

    def __repr__(self) -> str:
        rate = "rate unknown" if self.rate is None else f"{self.rate:.0f} tokens/s"
        return f"<Throughput {self.requests} requests ({self.tokens} tokens) in flight, {rate}>"

    @property
    def rate(self) -> float | None:
        """Tokens a second; None while too little is known."""
        known = self.done_tokens and self.busy_seconds >= _MIN_BUSY_SECONDS
        return self.done_tokens / self.busy_seconds if known else None

    def seconds_for(self, tokens: int, default_rate: float | None = None) -> float:
        """Estimate how long a new request takes behind those in flight.

        Args:
            tokens: The tokens of the request.
            default_rate: Tokens a second assumed while its own rate is unknown; None assumes no time at all.

        Returns:
            Seconds; 0.0 for an idle server, which is always worth a try.

        """
        rate = self.rate or default_rate
        return (self.tokens + tokens) / rate if self.requests and rate else 0.0

    def started(self, now: float, tokens: int) -> None:
        """Record that a request of *tokens* is sent at *now*."""
        if not self.requests and now - self.busy_until > _STALE_SECONDS:
            self.reset()
        self.requests += 1
        self.tokens += tokens

    def dropped(self, tokens: int) -> None:
        """Record the end of a request that says nothing about the rate: it was canceled or had too little time."""
        self.requests -= 1
        self.tokens -= tokens

    def ended(self, now: float, tokens: int, started_at: float, *, answered: bool) -> None:
        """Record the end, at *now*, of a request of *tokens* that was sent at *started_at*."""
        self.dropped(tokens)
        self._add_busy(started_at, now)
        self.done_tokens += tokens if answered else 0
        if self.busy_seconds > _HALVING_SECONDS:
            self.done_tokens, self.busy_seconds = self.done_tokens / 2, self.busy_seconds / 2

    def reset(self) -> None:
        """Forget the rate: that of a server that failed says nothing about one that has just come back."""
        self.done_tokens = self.busy_seconds = 0.0

    def _add_busy(self, start: float, end: float) -> None:
        """Add the time of a request to the busy time, but for what other requests have added already."""
        if start > self.busy_until:
            self.busy_seconds += end - start
            self.busy_from = start
        else:
            self.busy_seconds += end - self.busy_until + max(0.0, self.busy_from - start)
            self.busy_from = min(self.busy_from, start)
        self.busy_until = end
