"""Caches the vector of each text. Keys depend only on content, not on the client or the document id."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

ENTRY_BYTES = 190
"""Memory of one entry in addition to the values of the vector: the key, the headers of two objects, and the links."""


class VectorCache:
    """An LRU cache of vectors by the key of their texts. `bytes` is the memory that the cached vectors take."""

    contents = "vectors"

    def __init__(self, capacity: int) -> None:
        """Create a cache of at most *capacity* bytes; 0 disables the cache."""
        self._capacity = capacity
        self._vectors: OrderedDict[bytes, bytes] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        """Return the number of cached vectors."""
        return len(self._vectors)

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return the cached vectors by key, without the keys that are not cached."""
        vectors = self._vectors
        cached = {key: vectors[key] for key in keys if key in vectors}
        for key in cached:
            vectors.move_to_end(key)
        return cached

    def put_many(self, keys: Iterable[bytes], vectors: Iterable[bytes]) -> None:
        """Cache vectors, which are in the order of *keys*, and evict the least recently used ones."""
        for key, vector in zip(keys, vectors, strict=True):
            if (replaced := self._vectors.pop(key, None)) is not None:
                self.bytes -= _size(replaced)
            self._vectors[key] = vector
            self.bytes += _size(vector)
        while self.bytes > self._capacity:
            _, evicted = self._vectors.popitem(last=False)
            self.bytes -= _size(evicted)

    def clear(self) -> None:
        """Remove all vectors."""
        self._vectors.clear()
        self.bytes = 0


def _size(vector: bytes) -> int:
    """Return the memory that an entry takes, in bytes."""
    return len(vector) + ENTRY_BYTES
