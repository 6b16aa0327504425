"""Limits the total size of the request bodies and engine responses that are in memory at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class MemoryBudget:
    """Counts the bytes that all requests hold in memory. Their sum, `held`, never exceeds the limit."""

    def __init__(self, limit: int) -> None:
        """Start with no bytes held. *limit* is the maximum, in bytes."""
        self._limit = limit
        self.held = 0

    def __repr__(self) -> str:
        """Show how many bytes are held."""
        return f"<MemoryBudget {self.held} of {self._limit} bytes held>"

    @contextmanager
    def hold(self) -> Iterator[Hold]:
        """Yield the counter for one request. At the end of the block, all bytes that it has counted are released."""
        hold = Hold(self)
        try:
            yield hold
        finally:
            hold.end()

    def reserve(self, size: int) -> bool:
        """Add *size* bytes unless the limit would be exceeded. Return whether they were added."""
        if self.held + size > self._limit:
            return False
        self.held += size
        return True


class Hold:
    """Counts the bytes that one request holds in memory."""

    def __init__(self, budget: MemoryBudget) -> None:
        """Start with no bytes held."""
        self._budget = budget
        self._size = 0
        self._ended = False

    def grow(self, size: int) -> bool:
        """Add *size* bytes, unless the limit for all requests would be exceeded or the request has ended.

        Returns:
            Whether they were added.

        """
        if self._ended or not self._budget.reserve(size):
            return False
        self._size += size
        return True

    def release(self) -> None:
        """Release all bytes that this request holds."""
        self._budget.held -= self._size
        self._size = 0

    def end(self) -> None:
        """Release all bytes. Bytes that were added later would never be released."""
        self.release()
        self._ended = True
