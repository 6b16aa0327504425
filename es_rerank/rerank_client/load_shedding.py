"""Load shedding: scores fewer documents per search under load, instead of rejecting searches. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

FULL_WINDOW_LOAD = 0.5
"""Below this load, the whole window is scored."""

# Each row: the fraction of the window that is scored, and the load below which the row applies.
_STEPS = ((1.0, FULL_WINDOW_LOAD), (0.5, 0.75), (0.2, 1.0))
# A single document cannot be reordered.
_MIN_DOCUMENTS = 2


def documents_under_load(tokens: Sequence[int], load: float, capacity: float) -> int:
    """Return the number of documents to score, from the start of the window.

    | load       | scored |
    | below 0.5  | 100 %  |
    | below 0.75 | 50 %   |
    | below 1    | 20 %   |
    | 1 or above | 0 %    |

    Fewer documents are scored if this number of documents does not fit into *capacity*.

    Args:
        tokens: For each document, the number of tokens of its passages whose scores are not cached. If all scores are
            cached, the number of documents is not reduced.
        load: The larger of two fractions: how full the queue is, and how much of the remaining time a request would
            spend waiting.
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
