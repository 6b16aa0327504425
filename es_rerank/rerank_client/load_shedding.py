"""How many documents of a window are read under load. Pure: a smaller window for all is better than none for some."""

from __future__ import annotations

from collections.abc import Sequence

FULL_WINDOW_LOAD = 0.5
"""Below this load the whole window is read."""

# The share of the window that is read below each load.
_STEPS = ((1.0, FULL_WINDOW_LOAD), (0.5, 0.75), (0.2, 1.0))
# Fewer documents have no order.
_MIN_DOCUMENTS = 2


def documents_under_load(tokens: Sequence[int], load: float, capacity: float) -> int:
    """Return how many documents of a window are read.

    | load       | window |
    | below 0.5  | 100 %  |
    | below 0.75 | 50 %   |
    | below 1    | 20 %   |
    | 1 or above | none   |

    Args:
        tokens: The tokens of each document that are not cached; a window that is cached is no load.
        load: The larger share of the queue or of the deadline that is taken; 1 is full.
        capacity: How many tokens the model can read within the deadline.

    """
    if not any(tokens):
        return len(tokens)
    for share, limit in _STEPS:
        count = min(len(tokens), max(_MIN_DOCUMENTS, round(len(tokens) * share)))
        if load < limit and sum(tokens[:count]) <= capacity:
            return count
    return 0


def all_or_none(tokens: Sequence[int], capacity: float) -> int:
    """Return how many documents are read if all must be or none: all that fit into *capacity* tokens, otherwise 0."""
    return len(tokens) if sum(tokens) <= capacity else 0
