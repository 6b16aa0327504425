"""Which node of the engine is asked next. Pure: the time is passed in, in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
# So many doublings are more than the longest pause; thousands of them are no number any more.
_DOUBLINGS = 5


@dataclass(slots=True)
class _Node:
    """One node; `faults` counts attempts in a row that reached nobody, `dead_until` is when it is tried again."""

    url: str
    faults: int = 0
    dead_until: float = 0.0


@dataclass(slots=True)
class NodePool:
    """The nodes in turn. One that could not be reached rests, at first a second and twice as long with each fault."""

    urls: Sequence[str]
    _nodes: dict[str, _Node] = field(init=False)
    _turn: int = 0

    def __post_init__(self) -> None:
        """Take all nodes for alive."""
        self._nodes = {url: _Node(url) for url in self.urls}

    def order(self, now: float) -> list[str]:
        """List all nodes: the living from the next in turn, then the resting, those whose rest ends first before."""
        nodes = list(self._nodes.values())
        at = self._turn % len(nodes)
        self._turn += 1
        turned = nodes[at:] + nodes[:at]
        return [node.url for node in sorted(turned, key=lambda node: max(0.0, node.dead_until - now))]

    def failed(self, url: str, now: float) -> None:
        """Note that a node could not be reached."""
        node = self._nodes[url]
        node.dead_until = now + min(_PAUSE * 2 ** min(node.faults, _DOUBLINGS), _LONGEST_PAUSE)
        node.faults += 1

    def answered(self, url: str) -> bool:
        """Note that a node answered; True if it was taken for dead before."""
        node = self._nodes[url]
        was_dead = node.faults > 0
        node.faults, node.dead_until = 0, 0.0
        return was_dead
