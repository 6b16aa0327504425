"""Stores the maximum number of hits that the engine returns from an index, if it is lower than the window of a rule.

Reading the index setting `index.max_result_window` needs a privilege, but the engine's error message has its value.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable

from es_rerank.model import EngineReply

_TTL_SECONDS = 60.0
_MAX_ENTRIES = 1000
_TOO_LARGE = re.compile(rb"Result window is too large, from \+ size must be less than or equal to: \[(\d{1,10})\]")
_HITS = b'"hits"'


class WindowLimits:
    """The known limits by index expression. They expire after a minute, and their number is bounded."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Create an empty store. *clock* returns values like those of `time.monotonic()`."""
        self._clock = clock
        self._limits: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __repr__(self) -> str:
        """Show the number of entries."""
        return f"WindowLimits({len(self._limits)})"

    def of(self, target: str) -> int | None:
        """Return the maximum number of hits of a search with this index expression; None if it is not known."""
        expires, limit = self._limits.get(target, (0.0, 0))
        return limit if limit and self._clock() < expires else None

    def learn(self, target: str, response: bytes) -> None:
        """Store the limit if *response* contains it: an error, or a response in which shards rejected the window."""
        end = response.find(_HITS)
        found = _TOO_LARGE.search(response, 0, len(response) if end < 0 else end)
        if found:
            self._limits[target] = self._clock() + _TTL_SECONDS, int(found[1])
            self._limits.move_to_end(target)
            if len(self._limits) > _MAX_ENTRIES:
                self._limits.popitem(last=False)

    def learn_from(self, target: str, reply: EngineReply) -> None:
        """Store the limit, if the reply to a request with one search has it."""
        self.learn(target, reply.body or reply.error)
