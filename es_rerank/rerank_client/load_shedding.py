"""Load shedding: scores fewer documents per search under load, instead of rejecting searches. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

FULL_WINDOW_LOAD = 0.5
"""Below this load, the whole window is scored."""

# (fraction of the window that is scored, load below which that is done).
_STEPS = ((1.0, FULL_WINDOW_LOAD), (0.5, 0.75), (0.2, 1.0))
# A single document cannot be reordered.
_MIN_DOCUMENTS = 2


def documents_under_load(tokens: Sequence[int], load: float, capacity: float) -> int:
    """Return how many documents, from the start of the window, are scored.

    | load       | window |
    | below 0.5  | 100 %  |
    | below 0.75 | 50 %   |
    | below 1    | 20 %   |
    | 1 or above | none   |

    Fewer are scored if these do not fit into *capacity*.

    Args:
        tokens: For each document, the number of tokens of its passages that are not cached. If all scores are cached,
            the whole window is used.
        load: The fraction of the queue that is full or of the remaining time that is spent waiting, whichever is
            larger; 1 is full.
        capacity: The number of tokens that the servers can score within the remaining time.

    """
    if not any(tokens):
        return len(tokens)
    share = next((share for share, limit in _STEPS if load < limit), None)
    if share is None:
        return 0
    count = min(len(tokens), max(_MIN_DOCUMENTS, round(len(tokens) * share)))
    count = min(count, bisect_right(list(accumulate(tokens)), capacity))
    return count if count >= min(_MIN_DOCUMENTS, len(tokens)) else 0


def all_or_none(tokens: Sequence[int], capacity: float) -> int:
    """Return the number of documents if all of them fit into *capacity* tokens, otherwise 0."""
    return len(tokens) if sum(tokens) <= capacity else 0
