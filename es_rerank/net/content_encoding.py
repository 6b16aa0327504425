"""Content encodings of bodies that es-rerank parses. Other bodies are passed through without decoding."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import lru_cache
from ipaddress import ip_address

from isal import isal_zlib
from yarl import URL

# zlib's `wbits` for each encoding. `deflate` is the zlib format (RFC 9110, section 8.4.1.2).
_WINDOW_BITS: Mapping[str, int] = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_IDENTITY = "identity"
# A gzip file has one or more members (RFC 1952, section 2.2), each of which starts with this magic number. Other
# trailing bytes are padding and are ignored.
_GZIP_MAGIC = b"\x1f\x8b"
_MAX_MEMBERS = 100
# ISA-L's levels are 0 to 3. At 2, a page of 20 KB is as small as with zlib's level 3, in a seventh of the time.
_LEVEL = 2
# The type stubs of isal declare an instance instead of a class.
_DAMAGED: type[Exception] = isal_zlib.IsalError  # type: ignore[assignment]
MAX_RATIO = 20
"""The usual maximum of a body's decoded size divided by its compressed size, for estimates of the decoding time."""


# Results are cached, because most clients send one of a few values with each request.
@lru_cache(maxsize=64)
def supported_encodings(accepted: str) -> str:
    """Return an `Accept-Encoding` value without the encodings that `decompress` and `compress` do not support.

    Weights are kept. `*` is replaced by `gzip` if no supported encoding is named. See RFC 9110, section 12.5.3.
    """
    items = [item.strip() for item in accepted.split(",")]
    if not any(_encoding(item) in _WINDOW_BITS for item in items):
        items = ["gzip" + item.removeprefix("*") if item.startswith("*") else item for item in items]
    return ", ".join(item for item in items if _encoding(item) in {*_WINDOW_BITS, _IDENTITY})


@lru_cache(maxsize=64)
def chosen_encoding(accepted: str) -> str:
    """Return the encoding of the response to a client with this `Accept-Encoding`; empty for no encoding.

    As the engines do, choose the supported encoding with the highest weight, and gzip before deflate.
    """
    weights = dict.fromkeys(_WINDOW_BITS, 0.0)
    for item in supported_encodings(accepted).split(","):
        if _encoding(item) in weights:
            weights[_encoding(item)] = _weight(item)
    best = max(weights, key=lambda encoding: weights[encoding])
    return best if weights[best] > 0 else ""


def _weight(item: str) -> float:
    """Return the weight of one list item of `Accept-Encoding`: 1 without a weight, 0 if the weight is not a number."""
    name, _, value = item.partition(";")[2].strip().partition("=")
    try:
        return float(value) if name.strip().lower() == "q" else 1.0
    except ValueError:
        return 0.0


def is_near(urls: Iterable[str]) -> bool:
    """Return whether all servers are on this machine or in its network, so that compression costs more than it saves.

    Such servers have loopback, private or link-local addresses, or host names without a dot, as containers have.
    """
    return all(_is_near(URL(url).host or "") for url in urls)


def _is_near(host: str) -> bool:
    """Return whether a host is on this machine or in its network."""
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host
    return address.is_loopback or address.is_private or address.is_link_local


def _encoding(item: str) -> str:
    """Return the encoding name of one list item of `Accept-Encoding`; `x-gzip` is an alias of gzip."""
    return item.partition(";")[0].strip().lower().removeprefix("x-")


def decompress(body: bytes, encoding: str, max_bytes: int) -> bytes | None:
    """Return a body without its content encoding.

    Args:
        body: The body as received.
        encoding: The value of `Content-Encoding`; empty means not encoded.
        max_bytes: Maximum decoded size, in bytes.

    Returns:
        The decoded body; None if the encoding is not supported, the data is damaged or the decoded size is too large.

    """
    encoding = encoding.strip().lower() or _IDENTITY
    if encoding == _IDENTITY or not body:
        return body
    if encoding not in _WINDOW_BITS:
        return None
    decoded = b""
    for _ in range(_MAX_MEMBERS):
        decoder = isal_zlib.decompressobj(wbits=_WINDOW_BITS[encoding])
        try:
            # Decode up to one byte more than the limit to detect that it is exceeded. To zlib, 0 would mean no limit.
            decoded += decoder.decompress(body, max_bytes + 1 - len(decoded))
        except _DAMAGED:
            return None
        if len(decoded) > max_bytes or not decoder.eof:
            return None
        body = decoder.unused_data
        if not body.startswith(_GZIP_MAGIC):
            return decoded
    return None


def compress(body: bytes, encoding: str) -> bytes:
    """Return a body with a content encoding, or the body unchanged if the encoding is not supported."""
    encoding = encoding.strip().lower()
    if encoding not in _WINDOW_BITS:
        return body
    encoder = isal_zlib.compressobj(level=_LEVEL, wbits=_WINDOW_BITS[encoding])
    return encoder.compress(body) + encoder.flush()


async def read_limited(chunks: AsyncIterator[bytes], max_bytes: int) -> tuple[bytes | None, list[bytes]]:
    """Read a stream into memory.

    Args:
        chunks: The stream.
        max_bytes: Maximum size of the body, in bytes.

    Returns:
        The body and its chunks. If the body is larger than *max_bytes*, None and the chunks read so far.

    """
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            return None, parts
    return b"".join(parts), parts
