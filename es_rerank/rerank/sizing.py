"""How many searches a rerank server takes, and how many servers a peak needs. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

HEADROOM = 0.7
"""The share of a server's throughput that is planned for. The rest is for searches that arrive at the same time."""
SEARCHES_PER_CORE = 100
"""Searches per second that one processor core of an endpoint takes."""
SPARE_SERVERS = 1
"""Servers in addition to those that the peak needs, so that one can fail."""

# A window that takes more than this fraction of the deadline on an idle server leaves too little time for waiting, and
# is scored in steps instead of at once.
_DEADLINE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Sizing:
    """The searches of one rerank server.

    Attributes:
        tokens_per_second: The measured throughput of the server.
        window: Number of hits that the model reads per search.
        passage_tokens: Mean number of tokens of a passage, with the query and the prompt.
        hit_rate: Share of the passages whose scores are cached, at least 0 and below 1.

    """

    tokens_per_second: float
    window: int
    passage_tokens: int
    hit_rate: float = 0.0

    @property
    def search_tokens(self) -> int:
        """Number of tokens of a search of which no score is cached."""
        return self.window * self.passage_tokens

    @property
    def search_seconds(self) -> float:
        """Time in seconds that an idle server takes for a search of which no score is cached."""
        return self.search_tokens / self.tokens_per_second

    @property
    def searches_per_second(self) -> float:
        """Searches per second of the server at `HEADROOM` of its throughput, with cached scores."""
        return HEADROOM * self.tokens_per_second / (self.search_tokens * (1 - self.hit_rate))

    def fits(self, deadline: float) -> bool:
        """Return whether a search of which no score is cached takes at most half of *deadline*, in seconds."""
        return self.search_seconds <= deadline * _DEADLINE_SHARE

    def largest_window(self, deadline: float) -> int:
        """Return the largest window that fits *deadline*, in seconds; 0 if not even one passage does."""
        return int(deadline * _DEADLINE_SHARE * self.tokens_per_second / self.passage_tokens)

    def servers(self, peak: float) -> int:
        """Return how many servers are needed for *peak* searches per second, with the spare one."""
        return math.ceil(peak / self.searches_per_second) + SPARE_SERVERS


def endpoint_cores(peak: float) -> int:
    """Return how many processor cores the endpoints need for *peak* searches per second."""
    return math.ceil(peak / SEARCHES_PER_CORE)


def shown_rate(searches: float) -> str:
    """Return searches per second as text."""
    return f"{searches:,.1f}" if searches >= 1 else f"{searches:.2g}"


def shown_seconds(seconds: float) -> str:
    """Return a time as text, in milliseconds or seconds."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"
