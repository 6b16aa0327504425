"""Calculates the searches per second that a rerank server can score, and the number of servers for a peak. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

HEADROOM = 0.7
"""The share of a server's throughput to plan for. The rest is a reserve for searches that arrive at the same time."""
SEARCHES_PER_CORE = 100
"""Searches per second that es-rerank can handle on one CPU core, without the model."""
SPARE_SERVERS = 1
"""Servers in addition to those that the peak needs, so that one can fail."""

# If an idle server needs more than this fraction of the deadline to score a window, the window is scored in several
# requests instead of one, and queued searches have too little time left.
_DEADLINE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Sizing:
    """The throughput of one rerank server, and the mean size of the searches that it scores.

    Attributes:
        tokens_per_second: The measured throughput of the server.
        window: Number of hits that the model reads per search.
        passage_tokens: Mean number of tokens of a passage, including the query and the prompt.
        hit_rate: Share of the passages whose scores are cached, at least 0 and below 1.

    """

    tokens_per_second: float
    window: int
    passage_tokens: int
    hit_rate: float = 0.0

    @property
    def search_tokens(self) -> int:
        """Number of tokens of a search without cached scores."""
        return self.window * self.passage_tokens

    @property
    def search_seconds(self) -> float:
        """Time in seconds in which an idle server scores a search without cached scores."""
        return self.search_tokens / self.tokens_per_second

    @property
    def searches_per_second(self) -> float:
        """Searches per second that the server can score at `HEADROOM` of its throughput. Cached scores cost nothing."""
        return HEADROOM * self.tokens_per_second / (self.search_tokens * (1 - self.hit_rate))

    def fits(self, deadline: float) -> bool:
        """Return whether a search without cached scores takes at most half of *deadline*, in seconds."""
        return self.search_seconds <= deadline * _DEADLINE_SHARE

    def largest_window(self, deadline: float) -> int:
        """Return the largest window that takes at most half of *deadline*, in seconds. It can be 0."""
        return int(deadline * _DEADLINE_SHARE * self.tokens_per_second / self.passage_tokens)

    def servers(self, peak: float) -> int:
        """Return the number of servers for *peak* searches per second, including `SPARE_SERVERS`."""
        return math.ceil(peak / self.searches_per_second) + SPARE_SERVERS


def endpoint_cores(peak: float) -> int:
    """Return the number of CPU cores that es-rerank needs for *peak* searches per second."""
    return math.ceil(peak / SEARCHES_PER_CORE)
