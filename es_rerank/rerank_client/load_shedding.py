"""How much of a window is read while many searches wait. Pure: less for each is better than nothing for some."""

from __future__ import annotations

from collections.abc import Sequence

# This share of the window is read as long as the load is below that.
_STEPS = ((1.0, 0.5), (0.5, 0.75), (0.2, 1.0))
_LEAST = 2


def window(costs: Sequence[int], load: float, room: float) -> int:
    """Tell how many documents are read of those that cost the model so many tokens each; 0: none of them.

    `load` is 1 when nobody more may wait, and `room` how many tokens the model can do within the deadline. What is
    known already costs nothing, and is no load.
    """
    if not any(costs):
        return len(costs)
    for share, below in _STEPS:
        count = min(len(costs), max(_LEAST, round(len(costs) * share)))
        if load < below and sum(costs[:count]) <= room:
            return count
    return 0


def whole(costs: Sequence[int], room: float) -> int:
    """Tell the same where all are wanted or none."""
    return len(costs) if sum(costs) <= room else 0
