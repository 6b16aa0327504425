"""Content codings of bodies that are read: one row each. Bodies that only pass are never taken apart."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Mapping

# RFC 9110, 8.4.1: `deflate` is zlib's format; the number is zlib's for it.
_WINDOW_BITS: Mapping[str, int] = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_IDENTITY = "identity"
# How a member of a gzip file begins; there may be several (RFC 1952, 2.2). What else stands behind one is no content.
_MEMBER = b"\x1f\x8b"
_MOST_MEMBERS = 100
_LEVEL = 3


def supported_encodings(accepted: str) -> str:
    """Leave of an `Accept-Encoding` what an answer can be read and written in, each with its weight as it came.

    Any coding at all means one of these.
    """
    items = [item.strip() for item in accepted.split(",")]
    if not any(_coding(item) in _WINDOW_BITS for item in items):
        items = ["gzip" + item.removeprefix("*") if item.startswith("*") else item for item in items]
    return ", ".join(item for item in items if _coding(item) in {*_WINDOW_BITS, _IDENTITY})


def _coding(item: str) -> str:
    """Name the coding of an item; `x-gzip` is an old name of gzip."""
    return item.partition(";")[0].strip().lower().removeprefix("x-")


def decompress(body: bytes, coding: str, most: int) -> bytes | None:
    """Decode a body; None for an unknown coding, for more than *most* bytes, and for what is damaged."""
    coding = coding.strip().lower() or _IDENTITY
    if coding == _IDENTITY or not body:
        return body
    if coding not in _WINDOW_BITS:
        return None
    text = b""
    for _ in range(_MOST_MEMBERS):
        decoder = zlib.decompressobj(wbits=_WINDOW_BITS[coding])
        try:
            # One byte more than may be: a limit of 0 would be none.
            text += decoder.decompress(body, most + 1 - len(text))
        except zlib.error:
            return None
        if len(text) > most or not decoder.eof:
            return None
        body = decoder.unused_data
        if not body.startswith(_MEMBER):
            return text
    return None


def compress(body: bytes, coding: str) -> bytes:
    """Encode a body in a coding that an answer came in."""
    if coding not in _WINDOW_BITS:
        return body
    coder = zlib.compressobj(level=_LEVEL, wbits=_WINDOW_BITS[coding])
    return coder.compress(body) + coder.flush()


async def read_limited(chunks: AsyncIterator[bytes], most: int) -> tuple[bytes | None, list[bytes]]:
    """Read a stream whole if it has at most *most* bytes; else None, with the chunks that were read."""
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > most:
            return None, parts
    return b"".join(parts), parts
