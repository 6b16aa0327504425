from __future__ import annotations

import pytest
from multidict import CIMultiDict

from es_rerank.net.headers import FORWARDING, end_to_end_headers


@pytest.mark.parametrize(
    ("headers", "without", "expected"),
    [
        ([("A", "1"), ("b", "2"), ("A", "3")], (), [("A", "1"), ("b", "2"), ("A", "3")]),
        ([("Host", "x"), ("Transfer-Encoding", "chunked"), ("Upgrade", "h2c"), ("A", "1")], (), [("A", "1")]),
        ([("Connection", "close, X-Hop"), ("connection", "x-b"), ("x-hop", "1"), ("X-B", "2")], (), []),
        ([("x-lower", "1"), ("X-lower", "é")], (), [("x-lower", "1"), ("X-lower", "é")]),
        ([("Content-Length", "1"), ("A", "1")], ("content-length",), [("A", "1")]),
    ],
)
def test_passing(headers: list[tuple[str, str]], without: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    assert list(end_to_end_headers(raw, *without).items()) == expected


CAME = [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Host", "shop.example"), ("Forwarded", "for=10.0.0.1")]


@pytest.mark.parametrize(
    ("row", "came", "expected"),
    [
        ("pass", CAME, CAME),
        ("pass", [], []),
        (
            "append",
            CAME,
            [*CAME[1:], ("X-Forwarded-For", "10.0.0.1, 192.0.2.7"), ("X-Forwarded-Proto", "https")],
        ),
        (
            "append",
            [],
            [("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "search:9280")],
        ),
        (
            "replace",
            CAME,
            [("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "search:9280")],
        ),
    ],
)
def test_forwarding(row: str, came: list[tuple[str, str]], expected: list[tuple[str, str]]) -> None:
    headers = CIMultiDict(came)
    FORWARDING[row](headers, "192.0.2.7", "search:9280", "https")
    assert list(headers.items()) == expected


def test_a_client_without_an_address_is_not_named() -> None:
    headers: CIMultiDict[str] = CIMultiDict()
    FORWARDING["append"](headers, "", "search", "http")
    assert "X-Forwarded-For" not in headers
