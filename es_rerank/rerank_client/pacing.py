"""Decides how many more documents of a window to score if there may not be time for all of them. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

# A single scored document cannot be reordered.
_MIN_DOCUMENTS = 2
# A step uses at most this fraction of the remaining time, so that the next one is decided by what this one took.
_STEP_SHARE = 0.5
FIRST_TOKENS = 512
"""The number of tokens that are scored at once, in a second or two even on a slow CPU, while no rate is known."""


def next_head(tokens: Sequence[int], scored: int, capacity: float | None) -> int:
    """Return the total number of documents, from the start of the window, that should be scored after the next step.

    The first step has at least two documents, even if they may not fit, because the throughput must be measured.

    Args:
        tokens: For each document, the number of tokens of its passages that were not cached.
        scored: The number of documents that have been scored by earlier steps.
        capacity: The number of tokens that the servers can score in the remaining time; None if that is not known.

    Returns:
        The number of documents; *scored* if no further document fits.

    """
    ends = list(accumulate(tokens[scored:]))
    least = 0 if scored else min(_MIN_DOCUMENTS, len(tokens))
    if capacity is None:
        # Cached documents measure nothing.
        new = [count for count, size in enumerate(tokens[scored:], 1) if size][:_MIN_DOCUMENTS]
        return scored + max(*new, bisect_right(ends, FIRST_TOKENS)) if new else len(tokens)
    fitting = bisect_right(ends, capacity)
    if fitting == len(ends):
        return len(tokens)
    step = bisect_right(ends, capacity * _STEP_SHARE)
    if not step or not ends[step - 1]:
        # Half of the time is enough for no further document, but perhaps all of it is.
        step = min(fitting, step + 1)
    return scored + max(step, least)
