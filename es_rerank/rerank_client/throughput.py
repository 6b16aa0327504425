"""Measures a rerank server's throughput in tokens per second. Pure: times are arguments."""

from __future__ import annotations

from dataclasses import dataclass

# After this much busy time, the measured tokens and times are halved, so that later measurements have more weight.
_HALVING_SECONDS = 8.0
# Minimum busy time before the throughput counts as known. Until then, no window is reduced because of it.
_MIN_BUSY_SECONDS = 1.0
# After this much idle time, a server gets a request even if it was slow, because it may have become faster.
_RETRY_SECONDS = 2.0
# Measurements are discarded after this much idle time.
_STALE_SECONDS = 60.0
# Minimum of a measured time, to avoid a division by zero.
_MIN_SECONDS = 0.001


@dataclass(slots=True, repr=False)
class Throughput:
    """The load of a server and its measured throughput. Times are values of `time.monotonic()`.

    Attributes:
        requests: Number of requests in flight.
        tokens: Number of tokens of the requests in flight.
        done_tokens: Number of tokens of answered requests.
        busy_seconds: Total time in which at least one request was in flight.
        busy_from: Start of the last busy interval.
        busy_until: End of the last busy interval.
        tested_rate: Tokens per second of the slowest pair in the self-test; None before the self-test.

    """

    requests: int = 0
    tokens: int = 0
    done_tokens: float = 0.0
    busy_seconds: float = 0.0
    busy_from: float = 0.0
    busy_until: float = 0.0
    tested_rate: float | None = None

    def __repr__(self) -> str:
        rate = "rate unknown" if self.rate is None else f"{self.rate:.0f} tokens/s"
        return f"<Throughput {self.requests} requests ({self.tokens} tokens) in flight, {rate}>"

    @property
    def rate(self) -> float | None:
        """Measured throughput in tokens per second; None while there are too few measurements."""
        known = self.done_tokens and self.busy_seconds >= _MIN_BUSY_SECONDS
        return self.done_tokens / self.busy_seconds if known else None

    @property
    def likely_rate(self) -> float | None:
        """Tokens per second by any measurement, however short or old, or by the self-test; None before the self-test.

        This rate only decides whether a window is scored at once or in steps. Each step measures the rate again.
        """
        return self.done_tokens / max(self.busy_seconds, _MIN_SECONDS) if self.done_tokens else self.tested_rate

    def seconds_for(self, tokens: int, now: float, default_rate: float | None = None) -> float:
        """Estimate the time until a new request is answered, given the requests in flight.

        Args:
            tokens: Number of tokens of the request.
            now: The current time.
            default_rate: Tokens per second to assume while the throughput is unknown.

        Returns:
            The time in seconds, or 0.0 if both rates are unknown. It is also 0.0 if the server is idle and its rate is
            unknown or was measured more than two seconds ago, so that the server gets a request and is measured again.

        """
        rate = self.rate or default_rate
        is_tried = not self.requests and (self.rate is None or now - self.busy_until >= _RETRY_SECONDS)
        return 0.0 if is_tried or not rate else (self.tokens + tokens) / rate

    def started(self, now: float, tokens: int) -> None:
        """Record that a request of *tokens* is sent at time *now*."""
        if not self.requests and now - self.busy_until > _STALE_SECONDS:
            self.reset()
        self.requests += 1
        self.tokens += tokens

    def dropped(self, tokens: int) -> None:
        """Record the end of a request that does not count for the throughput: canceled, or with too short a timeout."""
        self.requests -= 1
        self.tokens -= tokens

    def ended(self, now: float, tokens: int, started_at: float, *, answered: bool) -> None:
        """Record the end of a request.

        Args:
            now: When the request ended.
            tokens: Number of tokens of the request.
            started_at: When the request was sent.
            answered: Whether the server returned scores.

        """
        self.dropped(tokens)
        self._add_busy(started_at, now)
        self.done_tokens += tokens if answered else 0
        if self.busy_seconds > _HALVING_SECONDS:
            self.done_tokens, self.busy_seconds = self.done_tokens / 2, self.busy_seconds / 2

    def tested(self, rate: float) -> None:
        """Record the tokens per second of a pair of the self-test, for use while there is no other measurement."""
        self.tested_rate = min(rate, self.tested_rate or rate)

    def reset(self) -> None:
        """Discard the measurements, which no longer apply after a failure or a long idle time."""
        self.done_tokens = self.busy_seconds = 0.0

    def _add_busy(self, start: float, end: float) -> None:
        """Add the duration of a request to the busy time, without the part that overlaps with earlier requests."""
        if start > self.busy_until:
            self.busy_seconds += end - start
            self.busy_from = start
        else:
            self.busy_seconds += end - self.busy_until + max(0.0, self.busy_from - start)
            self.busy_from = min(self.busy_from, start)
        self.busy_until = end
