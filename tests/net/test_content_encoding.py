from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.net.content_encoding import compress, decompress, read_limited, supported_encodings


async def stream(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([], (b"", [])),
        ([b"ab", b"c"], (b"abc", [b"ab", b"c"])),
        ([b"ab", b"cd", b"never read"], (None, [b"ab", b"cd"])),
    ],
)
async def test_limited(chunks: list[bytes], expected: tuple[bytes | None, list[bytes]]) -> None:
    assert await read_limited(stream(chunks), 3) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (gzip.compress(b"hose"), b"hose"),
        (gzip.compress(b""), b""),
        (gzip.compress(b"x" * 100), b"x" * 100),
        (gzip.compress(b"x" * 101), None),
    ],
)
def test_gzip_that_is_whole_and_not_too_much_is_unpacked(body: bytes, expected: bytes | None) -> None:
    assert decompress(body, "gzip", 100) == expected


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"hose"),
        ("gzip", gzip.compress(b"hose")[:-2]),
        ("gzip", zlib.compress(b"hose")),
        ("deflate", gzip.compress(b"hose")),
    ],
)
def test_what_is_damaged_cannot_be_read(coding: str, body: bytes) -> None:
    assert decompress(body, coding, 100) is None


@given(st.binary())
def test_no_bytes_are_an_error(body: bytes) -> None:
    for coding in ("gzip", "deflate", "br", ""):
        decompress(body, coding, 100)
        assert decompress(compress(body, coding), coding, 1000) == (None if coding == "br" and body else body)


@pytest.mark.parametrize(
    ("coding", "body", "expected"),
    [
        ("", b"hose", b"hose"),
        (" Identity ", b"hose", b"hose"),
        ("gzip", b"", b""),
        ("GZIP", gzip.compress(b"hose"), b"hose"),
        ("gzip", gzip.compress(b"ho") + gzip.compress(b"se"), b"hose"),
        ("gzip", gzip.compress(b"hose") + b"more", b"hose"),
        ("gzip", gzip.compress(b"x" * 60) + gzip.compress(b"x" * 41), None),
        ("deflate", zlib.compress(b"hose"), b"hose"),
        ("zstd", b"hose", None),
        ("gzip, gzip", b"hose", None),
    ],
)
def test_codings(coding: str, body: bytes, expected: bytes | None) -> None:
    assert decompress(body, coding, 100) == expected


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("gzip;q=0, identity;q=1", "gzip;q=0, identity;q=1"),
        ("GZip ; q=0.5,*;q=0.1", "GZip ; q=0.5"),
        ("br", ""),
        ("*", "gzip"),
        ("x-gzip, br", "x-gzip"),
        ("br, *;q=0.5", "gzip;q=0.5"),
        ("deflate, *", "deflate"),
        ("", ""),
    ],
)
def test_codings_that_are_understood_keep_their_weight(accepted: str, expected: str) -> None:
    assert supported_encodings(accepted) == expected
