"""Keys of cached scores and vectors: digests of everything that a value depends on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

_DIGEST_BYTES = 16


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
