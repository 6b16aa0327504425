"""A cache that evicts the least recently used entries. Keys depend only on content, not on client or document id."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LruCache(Generic[Value]):
    """An LRU cache by digest.

    Attributes:
        contents: What is cached, for logs and debuggers: `scores`, `vectors` or `cuts`.
        size: The sum of the sizes of all entries.

    """

    def __init__(self, contents: str, capacity: int, size_of: Callable[[Value], int] = lambda _: 1) -> None:
        """Create an empty cache.

        Args:
            contents: What is cached.
            capacity: Maximum sum of the sizes of all entries; 0 disables the cache.
            size_of: Returns the size of the entry of a value, in any unit. By default, *capacity* counts entries.

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
        """Return the cached values by key, without the keys that are not cached."""
        values = self._values
        cached = {key: values[key] for key in keys if key in values}
        for key in cached:
            values.move_to_end(key)
        return cached

    def put_many(self, keys: Iterable[bytes], values: Iterable[Value]) -> None:
        """Cache values, which are in the order of *keys*, and evict the least recently used ones."""
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
