"""Computes the keys of cached scores and vectors. A key is a digest of everything that the value depends on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

_DIGEST_BYTES = 16


def pair_keys(common: Sequence[str], passages: Iterable[bytes]) -> list[bytes]:
    """Return the cache key of each pair of query and passage, a BLAKE2b digest.

    The digest covers two parts: a digest of the strings in *common*, each preceded by its length, and the passage.

    Args:
        common: The strings that all pairs share: model, profile, instruction, limits and query.
        passages: For each pair, the digest of the document, followed by the number of the passage in the document.

    Returns:
        One 16-byte key per pair.

    """
    parts = [part.encode("utf-8", "replace") for part in common]
    shared = _digest(b"".join(b"%d:%b" % (len(part), part) for part in parts))
    return [_digest(shared + passage) for passage in passages]


def _digest(content: bytes) -> bytes:
    """Return the digest of *content*, 16 bytes."""
    return blake2b(content, digest_size=_DIGEST_BYTES).digest()
