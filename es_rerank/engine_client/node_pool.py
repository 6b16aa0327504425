"""The order in which the engine's nodes are tried. No I/O: the time is passed in, in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

_FIRST_PAUSE_SECONDS = 1.0
_MAX_PAUSE_SECONDS = 30.0
# Five doublings already exceed the maximum pause, and thousands would overflow.
_MAX_DOUBLINGS = 5


@dataclass(slots=True)
class _Failures:
    """The state of a node that is down: number of consecutive failures, and the time of the next retry, in seconds."""

    count: int = 0
    retry_at: float = 0.0


@dataclass(slots=True)
class NodePool:
    """Round robin over the nodes. A node that is down is tried last until its retry time.

    The time until a retry doubles with each failure.

    Attributes:
        urls: Node URLs.
        down: The nodes whose last connection attempt failed.

    """

    urls: Sequence[str]
    down: dict[str, _Failures] = field(default_factory=dict)
    _turn: int = 0

    def __post_init__(self) -> None:
        """Remove duplicate URLs."""
        self.urls = tuple(dict.fromkeys(self.urls))

    def __repr__(self) -> str:
        """Show which nodes are up and which are down."""
        up = [url for url in self.urls if url not in self.down]
        return f"NodePool(up={up}, down={list(self.down)})"

    def order(self, now: float) -> list[str]:
        """Return all nodes in the order in which to try them.

        Nodes available at time *now* (in seconds) come first, then the rest, sorted by next retry time.
        """
        first = self._turn % len(self.urls)
        self._turn += 1
        return sorted([*self.urls[first:], *self.urls[:first]], key=lambda url: self._pause(url, now))

    def _pause(self, url: str, now: float) -> float:
        """Return the time from *now* until a node may be retried, in seconds."""
        return max(0.0, self.down[url].retry_at - now) if url in self.down else 0.0

    def failed(self, url: str, now: float) -> None:
        """Record that a connection to a node failed at time *now*, in seconds."""
        node = self.down.setdefault(url, _Failures())
        node.retry_at = now + min(_FIRST_PAUSE_SECONDS * 2 ** min(node.count, _MAX_DOUBLINGS), _MAX_PAUSE_SECONDS)
        node.count += 1

    def answered(self, url: str) -> bool:
        """Record that a node responded. Return whether it was down before."""
        return self.down.pop(url, None) is not None
