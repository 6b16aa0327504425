"""How fast a rerank server works, learnt from what it has done. Pure: the time is passed in, in seconds."""

from __future__ import annotations

from dataclasses import dataclass

# After so many seconds of work the past counts half.
_MEMORY_SECONDS = 8.0
# What is seen in less work than this, in the first moments of a burst say, is no reason to turn searches away; nor is
# what was seen before a pause as long as that.
_ENOUGH_SECONDS, _STALE_SECONDS = 1.0, 60.0


@dataclass(slots=True)
class Throughput:
    """What a server has to do (`calls`, `tokens`), and what it has done in the seconds in which it had such work.

    The last of these seconds in a row are those from `begun` to `counted`.
    """

    calls: int = 0
    tokens: int = 0
    done: float = 0.0
    seconds: float = 0.0
    begun: float = 0.0
    counted: float = 0.0

    @property
    def rate(self) -> float | None:
        """The tokens it does a second; None as long as too little is known."""
        return self.done / self.seconds if self.done and self.seconds >= _ENOUGH_SECONDS else None

    def needs(self, tokens: int, guess: float | None = None) -> float:
        """Tell how many seconds it takes for so many tokens behind what it has to do; an idle server is just tried.

        Where its pace is not known it is *guess*, or so high that it takes no time at all.
        """
        rate = self.rate or guess
        return (self.tokens + tokens) / rate if self.calls and rate else 0.0

    def began(self, now: float, tokens: int) -> None:
        """Note a request."""
        if not self.calls and now - self.counted > _STALE_SECONDS:
            self.forget()
        self.calls += 1
        self.tokens += tokens

    def dropped(self, tokens: int) -> None:
        """Note the end of a request that says nothing of the pace: who asked has gone, or was in a hurry."""
        self.calls -= 1
        self.tokens -= tokens

    def ended(self, now: float, tokens: int, began: float, *, answered: bool) -> None:
        """Note the end of a request that was sent at *began*."""
        self.dropped(tokens)
        self._worked(began, now)
        self.done += tokens if answered else 0
        if self.seconds > _MEMORY_SECONDS:
            self.done, self.seconds = self.done / 2, self.seconds / 2

    def forget(self) -> None:
        """Start to learn anew: what was seen of a server that failed says nothing of one that answers again."""
        self.done = self.seconds = 0.0

    def _worked(self, began: float, now: float) -> None:
        """Count the time of a request, that of others at the same time but once."""
        if began > self.counted:
            self.seconds += now - began
            self.begun = began
        else:
            self.seconds += now - self.counted + max(0.0, self.begun - began)
            self.begun = min(self.begun, began)
        self.counted = now
