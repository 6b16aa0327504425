from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.net.content_encoding import (
    chosen_encoding,
    compress,
    decompress,
    is_near,
    read_limited,
    supported_encodings,
)


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
async def test_a_stream_is_read_up_to_a_limit(chunks: list[bytes], expected: tuple[bytes | None, list[bytes]]) -> None:
    assert await read_limited(stream(chunks), 3) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (gzip.compress(b"hose", mtime=0), b"hose"),
        (gzip.compress(b"", mtime=0), b""),
        (gzip.compress(b"x" * 100, mtime=0), b"x" * 100),
        (gzip.compress(b"x" * 101, mtime=0), None),
    ],
)
def test_complete_gzip_within_the_limit_is_decompressed(body: bytes, expected: bytes | None) -> None:
    assert decompress(body, "gzip", 100) == expected


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"hose"),
        ("gzip", gzip.compress(b"hose", mtime=0)[:-2]),
        ("gzip", zlib.compress(b"hose")),
        ("deflate", gzip.compress(b"hose", mtime=0)),
    ],
)
def test_damaged_data_is_not_decompressed(coding: str, body: bytes) -> None:
    assert decompress(body, coding, 100) is None


@given(st.binary())
def test_any_bytes_can_be_decompressed_and_compressed(body: bytes) -> None:
    for coding in ("gzip", "deflate", " GZip", "br", ""):
        decompress(body, coding, 100)
        assert decompress(compress(body, coding), coding, 1000) == (None if coding == "br" and body else body)


@pytest.mark.parametrize(
    ("coding", "body", "expected"),
    [
        ("", b"hose", b"hose"),
        (" Identity ", b"hose", b"hose"),
        ("gzip", b"", b""),
        ("GZIP", gzip.compress(b"hose", mtime=0), b"hose"),
        ("gzip", gzip.compress(b"ho", mtime=0) + gzip.compress(b"se", mtime=0), b"hose"),
        ("gzip", gzip.compress(b"hose", mtime=0) + b"more", b"hose"),
        ("gzip", gzip.compress(b"x" * 60, mtime=0) + gzip.compress(b"x" * 40, mtime=0), b"x" * 100),
        ("gzip", gzip.compress(b"x" * 60, mtime=0) + gzip.compress(b"x" * 41, mtime=0), None),
        ("gzip", gzip.compress(b"x", mtime=0) * 100, b"x" * 100),
        ("gzip", gzip.compress(b"", mtime=0) * 101, None),
        ("deflate", zlib.compress(b"x" * 101), None),
        ("deflate", zlib.compress(b"hose"), b"hose"),
        ("zstd", b"hose", None),
        ("gzip, gzip", b"hose", None),
    ],
)
def test_every_encoding_is_decompressed_within_the_limit(coding: str, body: bytes, expected: bytes | None) -> None:
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
def test_supported_encodings_keep_their_weight(accepted: str, expected: str) -> None:
    assert supported_encodings(accepted) == expected


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip, deflate, br, zstd", "gzip"),
        ("deflate, gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip;q=0.2, deflate; q=0.5", "deflate"),
        ("GZIP;Q=0.5", "gzip"),
        ("x-gzip", "gzip"),
        ("*", "gzip"),
        ("br, *;q=0.1", "gzip"),
        ("gzip;q=0", ""),
        ("gzip;q=0.000, deflate;q=0", ""),
        ("gzip;q=high", ""),
        ("br", ""),
        ("identity", ""),
        ("", ""),
    ],
)
def test_a_client_gets_the_encoding_with_the_highest_weight(accepted: str, expected: str) -> None:
    assert chosen_encoding(accepted) == expected


@pytest.mark.parametrize(
    ("urls", "near"),
    [
        (["http://127.0.0.1:9200"], True),
        (["https://localhost:9200"], True),
        (["http://elasticsearch:9200"], True),
        (["http://10.1.2.3:9200", "http://192.168.0.7:9200", "http://[::1]:9200", "http://[fd00::1]:9200"], True),
        (["http://[fe80::1]:9200"], True),
        (["http://10.1.2.3:9200", "http://8.8.8.8:9200"], False),
        (["https://search.example.com"], False),
    ],
)
def test_an_engine_in_the_same_network_is_near(urls: list[str], near: bool) -> None:
    assert is_near(urls) is near
