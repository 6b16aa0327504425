"""Stores resolved mappings by caller and index expression. Equal mappings are stored once. Their size is bounded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from es_rerank.model import IndexInfo

# Approximate size of an entry without its mapping: a key, an expiry time, and slots in two dictionaries.
_ENTRY_BYTES = 300
MAX_ENTRIES, MAX_BYTES = 10_000, 50_000_000


@dataclass(slots=True)
class _Held:
    """A mapping, its approximate size in bytes, and the number of entries that refer to it."""

    info: IndexInfo
    size: int
    entries: int = 0


class MappingCache:
    """Mappings by key. If there are too many entries or bytes, the entry that was set first is evicted."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Create an empty cache of about *max_bytes* bytes."""
        self._max_bytes = max_bytes
        # Key -> (expiry time, digest of the mapping; None for a failure).
        self._entries: OrderedDict[bytes, tuple[float, bytes | None]] = OrderedDict()
        self._held: dict[bytes, _Held] = {}
        self.size = 0

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def get(self, key: bytes, now: float) -> tuple[bool, IndexInfo | None]:
        """Return whether an unexpired entry exists, and its mapping. The mapping of a cached failure is None."""
        expires, digest = self._entries.get(key, (now, None))
        return now < expires, self._held[digest].info if digest is not None and now < expires else None

    def known(self, digest: bytes) -> IndexInfo | None:
        """Return the mapping with this digest; None if it is not in the cache."""
        held = self._held.get(digest)
        return held.info if held else None

    def set(self, key: bytes, expires: float, digest: bytes | None, info: IndexInfo | None, size: int) -> None:
        """Set an entry.

        Args:
            key: Identifies caller and index expression.
            expires: When the entry expires, as a value of the clock that also gives the times for `get`.
            digest: Digest of the response that the mapping was read from; None for a failure.
            info: The mapping; None for a failure.
            size: Size of the response, in bytes, which is about the size of the mapping in memory.

        """
        self.remove(key)
        self._entries[key] = expires, digest
        self.size += _ENTRY_BYTES
        if digest is not None and info is not None:
            if digest not in self._held:
                self._held[digest] = _Held(info, size)
                self.size += size
            self._held[digest].entries += 1
        while len(self._entries) > 1 and (self.size > self._max_bytes or len(self._entries) > MAX_ENTRIES):
            self.remove(next(iter(self._entries)))

    def learn_source(self, info: IndexInfo, *, has_source: bool) -> None:
        """Store whether the indices of a mapping have a `_source`."""
        for held in self._held.values():
            if held.info.field_types is info.field_types:
                held.info = replace(held.info, has_source=has_source)

    def remove_older(self, info: IndexInfo, expires: float) -> bool:
        """Remove the entries of a mapping that expire before *expires*. Return whether any entry was removed."""
        digests = {digest for digest, held in self._held.items() if held.info.field_types is info.field_types}
        keys = [key for key, (until, digest) in self._entries.items() if digest in digests and until < expires]
        for key in keys:
            self.remove(key)
        return bool(keys)

    def remove(self, key: bytes) -> None:
        """Remove an entry if there is one, and its mapping if no other entry refers to it."""
        if key not in self._entries:
            return
        _, digest = self._entries.pop(key)
        self.size -= _ENTRY_BYTES
        if digest is not None:
            held = self._held[digest]
            held.entries -= 1
            if not held.entries:
                del self._held[digest]
                self.size -= held.size
