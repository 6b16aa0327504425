"""Computes the keys of cached scores and vectors. A key has digests of everything that the value depends on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

# The length of a document's digest.
_DIGEST_BYTES = 14


def common_digest(parts: Iterable[str]) -> bytes:
    """Return a BLAKE2b digest of 14 bytes of the parts of a key. Each part is preceded by its length."""
    encoded = [part.encode("utf-8", "replace") for part in parts]
    content = b"".join(b"%d:%b" % (len(part), part) for part in encoded)
    return blake2b(content, digest_size=_DIGEST_BYTES).digest()


def passage_keys(
    common: Iterable[str], digests: Iterable[bytes], numbers: Iterable[Sequence[int]]
) -> list[Sequence[bytes]]:
    """Return the cache key of each passage: digest of the common parts, digest of the document, number of the passage.

    Args:
        common: The parts that all passages share, such as the model and the query.
        digests: The digest of each document, all of the same length.
        numbers: The numbers of the passages of each document.

    Returns:
        For each document, the keys of its passages.

    """
    shared = common_digest(common)
    return [
        [b"%b%b%d" % (shared, digest, number) for number in row] for digest, row in zip(digests, numbers, strict=True)
    ]
