"""Keys of cached scores and vectors: digests of everything that a value depends on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

_DIGEST_BYTES = 16


def pair_keys(common: Sequence[str], passages: Iterable[bytes]) -> list[bytes]:
    """Return the cache key of each pair: a BLAKE2b digest of everything that its score depends on.

    It is the digest of two parts: the digest of all shared parts, each preceded by its length, and
    the passage.

    Args:
        common: The parts that all pairs share: model, profile, instruction, limits and query.
        passages: The digest of each pair's document, followed by the number of the passage in the document.

    Returns:
        One 16-byte key per pair.

    """
    parts = [part.encode("utf-8", "replace") for part in common]
    shared = _digest(b"".join(b"%d:%b" % (len(part), part) for part in parts))
    return [_digest(shared + passage) for passage in passages]


def _digest(content: bytes) -> bytes:
    """Return the digest of *content*, 16 bytes."""
    return blake2b(content, digest_size=_DIGEST_BYTES).digest()
