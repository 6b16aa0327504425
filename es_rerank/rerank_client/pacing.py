"""Decides how many documents to score in the next step, if there may not be time for the whole window. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

# A single scored document cannot be reordered.
_MIN_DOCUMENTS = 2
# A step may use at most this fraction of the remaining time, so that the measured time of one step decides on the next.
_STEP_SHARE = 0.5
FIRST_TOKENS = 512
"""The number of tokens in the first step, while no throughput is known. Even a slow CPU takes only a second or two."""


def next_head(tokens: Sequence[int], scored: int, capacity: float | None) -> int:
    """Return the number of documents, from the start of the window, that should have scores after the next step.

    The first step has at least two documents, even if they may not fit, because the throughput must be measured.

    Args:
        tokens: For each document, the number of tokens of its passages that were not cached.
        scored: The number of documents that have been scored by earlier steps.
        capacity: The number of tokens that the servers can score in the remaining time; None if that is not known.

    Returns:
        The number of documents, which is *scored* if no further document fits.

    """
    ends = list(accumulate(tokens[scored:]))
    least = 0 if scored else min(_MIN_DOCUMENTS, len(tokens))
    if capacity is None:
        # Cached documents do not count, because they do not help to measure the throughput.
        new = [count for count, size in enumerate(tokens[scored:], 1) if size][:_MIN_DOCUMENTS]
        return scored + max(*new, bisect_right(ends, FIRST_TOKENS)) if new else len(tokens)
    fitting = bisect_right(ends, capacity)
    if fitting == len(ends):
        return len(tokens)
    step = bisect_right(ends, capacity * _STEP_SHARE)
    if not step or not ends[step - 1]:
        # Not even one document fits into half of the time, but one may fit into all of it.
        step = min(fitting, step + 1)
    return scored + max(step, least)
