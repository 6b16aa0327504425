"""Caches the score of each pair of query and passage by content alone: clients learn nothing about each other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

_DIGEST_BYTES = 16


class ScoreCache:
    """A bounded map from the key of a pair to its raw score; the pair used least recently is evicted first."""

    def __init__(self, capacity: int) -> None:
        """Hold at most *capacity* pairs, about 150 bytes each; 0 caches nothing."""
        self._capacity = capacity
        self._scores: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of cached pairs."""
        return len(self._scores)

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, float]:
        """Return the scores of the pairs that are cached."""
        scores = self._scores
        cached = {key: scores[key] for key in keys if key in scores}
        for key in cached:
            scores.move_to_end(key)
        return cached

    def put_many(self, keys: Iterable[bytes], scores: Iterable[float]) -> None:
        """Cache the scores of pairs, in the order of the keys."""
        for key, score in zip(keys, scores, strict=True):
            self._scores[key] = score
            self._scores.move_to_end(key)
        while len(self._scores) > self._capacity:
            self._scores.popitem(last=False)

    def clear(self) -> None:
        """Forget all pairs."""
        self._scores.clear()


def pair_keys(common: Sequence[str], texts: Iterable[str]) -> list[bytes]:
    """Compute the keys of pairs: BLAKE2b digests of all that their scores depend on.

    Args:
        common: What the pairs have in common: model, profile, instruction and query.
        texts: The passage of each pair.

    Returns:
        16 bytes a pair. The length of each part is digested too, so that different parts never give equal keys.

    """
    base = blake2b(digest_size=_DIGEST_BYTES)
    for part in common:
        _update(base, part)
    keys = []
    for text in texts:
        digest = base.copy()
        _update(digest, text)
        keys.append(digest.digest())
    return keys


def _update(digest: Any, part: str) -> None:
    """Digest the length of a part and the part."""
    encoded = part.encode("utf-8", "replace")
    digest.update(b"%d:" % len(encoded))
    digest.update(encoded)
