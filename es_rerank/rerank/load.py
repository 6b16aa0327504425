"""How much of a window is read while many searches wait. Pure: less for each is better than nothing for some."""

from __future__ import annotations

from collections.abc import Sequence

# From this share of the queue on, this share of the window is read; when it is full, nothing is.
_STEPS = ((0.75, 0.2), (0.5, 0.5), (0.0, 1.0))
_LEAST = 2


def window(documents: int, waiting: int, queue: int) -> int:
    """Tell how many of so many documents are read when *waiting* searches are in a *queue* for so many."""
    load = waiting / queue if waiting > 0 else 0.0
    share = next(share for step, share in _STEPS if load >= step)
    return min(documents, max(_LEAST, round(documents * share)))


def first(documents: Sequence[str | None], count: int) -> list[str | None]:
    """Leave the text of the first *count* documents; the others keep their place without one."""
    return [*documents[:count], *(None for _ in documents[count:])]
