from __future__ import annotations

import json

import pytest

from es_rerank.rerank_client.redact import quoted

LONG = "The hose under the third bench leaks since the winter, and nobody knows why."
KEY = "sk-0123456789abcdef"


@pytest.mark.parametrize(
    ("said", "expected"),
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
    ],
)
def test_what_was_sent_is_left_out(said: bytes, expected: str) -> None:
    assert quoted(said, ["leaking hose", LONG, "水管漏水", "a", "", " "], KEY) == expected


def test_without_a_key_there_is_none_to_leave_out() -> None:
    assert quoted(b"Bearer nothing", ["a"], "") == "Bearer nothing"
