"""Content encodings of bodies that are parsed. Bodies that are only passed through are never decoded."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Mapping

# zlib's `wbits` for each encoding. `deflate` is the zlib format (RFC 9110, section 8.4.1.2).
_WINDOW_BITS: Mapping[str, int] = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_IDENTITY = "identity"
# A gzip file has one or more members (RFC 1952, section 2.2), each with this magic number; other trailing bytes are
# padding and are ignored.
_GZIP_MAGIC = b"\x1f\x8b"
_MAX_MEMBERS = 100
_LEVEL = 3


def supported_encodings(accepted: str) -> str:
    """Reduce the value of `Accept-Encoding` to the encodings that `decompress` and `compress` support.

    Weights are kept. `*` stands for gzip if no supported encoding is named. See RFC 9110, section 12.5.3.
    """
    items = [item.strip() for item in accepted.split(",")]
    if not any(_encoding(item) in _WINDOW_BITS for item in items):
        items = ["gzip" + item.removeprefix("*") if item.startswith("*") else item for item in items]
    return ", ".join(item for item in items if _encoding(item) in {*_WINDOW_BITS, _IDENTITY})


def _encoding(item: str) -> str:
    """Return the name of the encoding in an item; `x-gzip` is an alias of gzip."""
    return item.partition(";")[0].strip().lower().removeprefix("x-")


def decompress(body: bytes, encoding: str, max_bytes: int) -> bytes | None:
    """Decode a body.

    Args:
        body: The body as it was received.
        encoding: The value of `Content-Encoding`; empty means not encoded.
        max_bytes: Limit of the decoded size.

    Returns:
        The decoded body, or None if the encoding is not supported, the data is damaged or the limit is exceeded.

    """
    encoding = encoding.strip().lower() or _IDENTITY
    if encoding == _IDENTITY or not body:
        return body
    if encoding not in _WINDOW_BITS:
        return None
    decoded = b""
    for _ in range(_MAX_MEMBERS):
        decoder = zlib.decompressobj(wbits=_WINDOW_BITS[encoding])
        try:
            # One byte more than the limit shows that it is exceeded; to zlib a limit of 0 means none.
            decoded += decoder.decompress(body, max_bytes + 1 - len(decoded))
        except zlib.error:
            return None
        if len(decoded) > max_bytes or not decoder.eof:
            return None
        body = decoder.unused_data
        if not body.startswith(_GZIP_MAGIC):
            return decoded
    return None


def compress(body: bytes, encoding: str) -> bytes:
    """Encode a body in the encoding that an engine's response had; other encodings leave it unchanged."""
    encoding = encoding.strip().lower()
    if encoding not in _WINDOW_BITS:
        return body
    encoder = zlib.compressobj(level=_LEVEL, wbits=_WINDOW_BITS[encoding])
    return encoder.compress(body) + encoder.flush()


async def read_limited(chunks: AsyncIterator[bytes], max_bytes: int) -> tuple[bytes | None, list[bytes]]:
    """Read a stream into memory.

    Returns:
        The body and its chunks. If the stream exceeds *max_bytes*, None and the chunks read so far.

    """
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            return None, parts
    return b"".join(parts), parts
