"""Caches where documents are cut into passages. A key is a document's digest and the limits that it was cut for."""

from __future__ import annotations

from collections import OrderedDict

from es_rerank.rerank.chunking import Cut

# Approximate memory of an entry in CPython 3.11: key, dictionary slot, and cut; and of each passage.
_ENTRY_BYTES = 400
_PIECE_BYTES = 170


class CutCache:
    """An LRU cache of cuts, limited by its approximate memory."""

    def __init__(self, capacity: int) -> None:
        """Create a cache of at most *capacity* bytes; 0 disables the cache."""
        self._capacity = capacity
        self._cuts: OrderedDict[bytes, Cut] = OrderedDict()
        self.size = 0

    def __repr__(self) -> str:
        return f"<CutCache {len(self._cuts)} documents, {self.size} of {self._capacity} bytes>"

    def get(self, key: bytes) -> Cut | None:
        """Return the cut of a document, or None if it is not cached."""
        cut = self._cuts.get(key)
        if cut is not None:
            self._cuts.move_to_end(key)
        return cut

    def put(self, key: bytes, cut: Cut) -> None:
        """Cache a cut, and evict the least recently used ones."""
        old = self._cuts.pop(key, None)
        self.size += _bytes(cut) - (_bytes(old) if old else 0)
        self._cuts[key] = cut
        while self.size > self._capacity:
            _, evicted = self._cuts.popitem(last=False)
            self.size -= _bytes(evicted)


def _bytes(cut: Cut) -> int:
    """Return the approximate memory of an entry, in bytes."""
    return _ENTRY_BYTES + _PIECE_BYTES * len(cut.pieces)
