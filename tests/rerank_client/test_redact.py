from __future__ import annotations

import json

import pytest

from es_rerank.rerank_client.redact import redacted

LONG = "The hose under the third bench leaks since the winter, and the reason is unknown."
KEY = "sk-0123456789abcdef"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ""),
        (b"CUDA out of memory", "CUDA out of memory"),
        (b"batch size 33 > maximum allowed batch size 32", "batch size 33 > maximum allowed batch size 32"),
        (b"x" * 300, "x" * 300),
        (b"x" * 301, "x" * 300 + "…"),
        ("é".encode() * 400, "é" * 300 + "…"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
        (f"too long: {LONG}".encode(), "too long: …"),
        (f"too long: {LONG[7:30]} and so on".encode(), "too long: …"),
        (b"in the text 'leaking hose' there are", "in the text '…"),
        (b'{"Authorization": "Bearer sk-0123456789abcdef"}', '{"Authorization": "Bearer …'),
        (b"key sk-0123... is unknown", "key …"),
        (b"the winter", "the winter"),
        (json.dumps({"input": ["水管漏水"]}).encode(), '{"input": ["…'),
        ("文本 水管漏水 太长".encode(), "文本 …"),
        (b"x" * 290 + LONG.encode(), "x" * 290 + "…"),
        (f"too long: {LONG[7:23]}".encode(), "too long: …"),
        (f"too long: {LONG[7:22]}".encode(), f"too long: {LONG[7:22]}"),
        (b"key sk-012 is unknown", "key …"),
        (b"key sk-01 is unknown", "key sk-01 is unknown"),
        (b"an 'abc' and an 'abcd'", "an 'abc' and an '…"),
        (b"abcd is too long", "…"),
        (b"x" * 299 + LONG.encode(), "x" * 299 + "…"),
        (b"x" * 300 + LONG.encode(), "x" * 300 + "…"),
    ],
)
def test_what_was_sent_is_not_quoted(content: bytes, expected: str) -> None:
    assert redacted(content, ["leaking hose", LONG, "水管漏水", "a", "", " ", " abc", "abcd "], KEY) == expected


def test_without_a_key_nothing_is_taken_for_one() -> None:
    assert redacted(b"Bearer nothing", ["a"], "") == "Bearer nothing"
