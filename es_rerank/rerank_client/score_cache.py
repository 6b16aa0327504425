"""Remembers the score of each pair of query and passage, by content alone: callers learn nothing of each other."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b


class ScoreCache:
    """A bounded map from pair to raw score; the pair used longest ago goes first."""

    def __init__(self, capacity: int) -> None:
        """Hold at most *capacity* pairs, about 150 bytes each; 0 remembers nothing."""
        self._capacity = capacity
        self._scores: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        """Count the pairs held."""
        return len(self._scores)

    def get(self, key: bytes) -> float | None:
        """Look a pair up."""
        if key not in self._scores:
            return None
        self._scores.move_to_end(key)
        return self._scores[key]

    def put(self, key: bytes, score: float) -> None:
        """Remember a pair."""
        self._scores[key] = score
        self._scores.move_to_end(key)
        while len(self._scores) > self._capacity:
            self._scores.popitem(last=False)

    def clear(self) -> None:
        """Forget all pairs."""
        self._scores.clear()


def pair_key(*parts: str) -> bytes:
    """Digest model, instruction, query and passage; lengths are part of it, so that no two pairs are written alike."""
    digest = blake2b(digest_size=16)
    for part in parts:
        text = part.encode("utf-8", "replace")
        digest.update(b"%d:" % len(text))
        digest.update(text)
    return digest.digest()
