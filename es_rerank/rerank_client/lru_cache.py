"""A cache that evicts the least recently used entries."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LruCache(Generic[Value]):
    """An LRU cache. A key is a digest of everything that its value depends on.

    Attributes:
        contents: A name for the values, for logs and debuggers: `scores`, `vectors` or `cuts`.
        size: The sum of the sizes of all entries, in the unit of the capacity.

    """

    def __init__(self, contents: str, capacity: int, size_of: Callable[[Value], int] = lambda _: 1) -> None:
        """Create an empty cache.

        Args:
            contents: A name for the values.
            capacity: Maximum sum of the sizes of all entries; 0 disables the cache.
            size_of: Returns the size of an entry, given its value, in the unit of *capacity*. By default, each entry
                has the size 1.

        """
        self.contents = contents
        self.size = 0
        self._capacity = capacity
        self._size_of = size_of
        self._values: OrderedDict[bytes, Value] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._values)

    def __repr__(self) -> str:
        return f"<LruCache {len(self)} {self.contents}, size {self.size} of {self._capacity}>"

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, Value]:
        """Return the cached values by key. Keys that are not cached are left out."""
        values = self._values
        if not values:
            return {}
        cached = {key: values[key] for key in keys if key in values}
        for key in cached:
            values.move_to_end(key)
        return cached

    def put_many(self, keys: Iterable[bytes], values: Iterable[Value]) -> None:
        """Cache *values*, given in the order of *keys*, and evict the least recently used entries if necessary."""
        if not self._capacity:
            return
        size_of = self._size_of
        for key, value in zip(keys, values, strict=True):
            if (replaced := self._values.pop(key, None)) is not None:
                self.size -= size_of(replaced)
            self._values[key] = value
            self.size += size_of(value)
        while self.size > self._capacity:
            _, evicted = self._values.popitem(last=False)
            self.size -= size_of(evicted)

    def clear(self) -> None:
        """Remove all entries."""
        self._values.clear()
        self.size = 0
