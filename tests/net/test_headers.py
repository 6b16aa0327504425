from __future__ import annotations

import pytest
from multidict import CIMultiDict

from es_rerank.net.headers import FORWARDING, end_to_end_headers


@pytest.mark.parametrize(
    ("headers", "without", "expected"),
    [
        ([("A", "1"), ("b", "2"), ("A", "3")], (), [("A", "1"), ("b", "2"), ("A", "3")]),
        ([("Host", "x"), ("Transfer-Encoding", "chunked"), ("Upgrade", "h2c"), ("A", "1")], (), [("A", "1")]),
        (
            [("Connection", "close, X-A"), ("Connection", "cookie"), ("Cookie", "1"), ("X-A", "2")],
            (),
            [("Cookie", "1"), ("X-A", "2")],
        ),
        ([("x-lower", "1"), ("X-lower", "é")], (), [("x-lower", "1"), ("X-lower", "é")]),
        ([("Content-Length", "1"), ("A", "1")], ("content-length",), [("A", "1")]),
    ],
)
def test_end_to_end_headers_are_copied_in_order(
    headers: list[tuple[str, str]], without: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    assert list(end_to_end_headers(raw, *without).items()) == expected


RECEIVED = [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Host", "shop.example"), ("Forwarded", "for=10.0.0.1")]


@pytest.mark.parametrize(
    ("row", "received", "expected"),
    [
        ("pass", RECEIVED, RECEIVED),
        ("pass", [], []),
        (
            "append",
            RECEIVED,
            [*RECEIVED[1:], ("X-Forwarded-For", "10.0.0.1, 192.0.2.7"), ("X-Forwarded-Proto", "https")],
        ),
        (
            "append",
            [],
            [("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "search:9280")],
        ),
        (
            "append",
            [("X-Forwarded-For", "10.0.0.1"), ("x-forwarded-proto", "http"), ("x-forwarded-for", "10.0.0.2")],
            [
                ("x-forwarded-proto", "http"),
                ("X-Forwarded-For", "10.0.0.1, 10.0.0.2, 192.0.2.7"),
                ("X-Forwarded-Host", "search:9280"),
            ],
        ),
        (
            "replace",
            RECEIVED,
            [("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "search:9280")],
        ),
    ],
)
def test_x_forwarded_headers(row: str, received: list[tuple[str, str]], expected: list[tuple[str, str]]) -> None:
    headers = CIMultiDict(received)
    FORWARDING[row](headers, "192.0.2.7", "search:9280", "https")
    assert list(headers.items()) == expected


def test_a_client_without_an_address_is_not_listed() -> None:
    headers: CIMultiDict[str] = CIMultiDict()
    FORWARDING["append"](headers, "", "search", "http")
    assert "X-Forwarded-For" not in headers


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "Expect",
        "Host",
        "HTTP2-Settings",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    ],
)
def test_hop_by_hop_headers_are_not_forwarded(name: str) -> None:
    assert end_to_end_headers([(name.encode(), b"x"), (b"Accept", b"*/*")]) == {"Accept": "*/*"}


def test_bytes_that_are_not_utf_8_are_kept() -> None:
    (item,) = end_to_end_headers([(b"X-Opaque-Id", b"caf\xe9")]).items()
    assert item[1].encode("utf-8", "surrogateescape") == b"caf\xe9"
