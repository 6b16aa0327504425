"""Caches the score of each (query, passage) pair. Keys depend only on content, not on client or document id."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

_DIGEST_BYTES = 16


class ScoreCache:
    """An LRU cache of raw scores by pair key."""

    contents = "scores"

    def __init__(self, capacity: int) -> None:
        """Create a cache of at most *capacity* scores, about 150 bytes each; 0 disables the cache."""
        self._capacity = capacity
        self._scores: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of cached scores."""
        return len(self._scores)

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, float]:
        """Return the cached scores by key, without the keys that are not cached."""
        scores = self._scores
        cached = {key: scores[key] for key in keys if key in scores}
        for key in cached:
            scores.move_to_end(key)
        return cached

    def put_many(self, keys: Iterable[bytes], scores: Iterable[float]) -> None:
        """Cache scores, which are in the order of *keys*, and evict the least recently used ones."""
        for key, score in zip(keys, scores, strict=True):
            self._scores[key] = score
            self._scores.move_to_end(key)
        while len(self._scores) > self._capacity:
            self._scores.popitem(last=False)

    def clear(self) -> None:
        """Remove all scores."""
        self._scores.clear()


def pair_keys(common: Sequence[str], passages: Iterable[bytes]) -> list[bytes]:
    """Return the cache key of each pair: a BLAKE2b digest of everything that its score depends on.

    Args:
        common: The parts that all pairs share: model, profile, instruction, limits and query.
        passages: The digest of each pair's document, followed by the number of the passage in the document.

    Returns:
        One 16-byte key per pair. Each part is digested with its length, so that the boundaries between parts count.

    """
    base = blake2b(digest_size=_DIGEST_BYTES)
    for part in common:
        _update(base, part.encode("utf-8", "replace"))
    keys = []
    for passage in passages:
        digest = base.copy()
        _update(digest, passage)
        keys.append(digest.digest())
    return keys


def _update(digest: Any, part: bytes) -> None:
    """Add a part to a digest, preceded by its length in bytes."""
    digest.update(b"%d:" % len(part))
    digest.update(part)
