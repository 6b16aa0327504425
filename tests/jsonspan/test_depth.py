from __future__ import annotations

import msgspec
import pytest
from hypothesis import given

from es_rerank.jsonspan import (
    MAX_DEPTH,
    check_depth,
    decode,
)
from tests.search.strategies import JSON


def deep(levels: int, around: bytes = b"%b") -> bytes:
    return around % (b"[" * levels + b"]" * levels)


@pytest.mark.parametrize(
    "around",
    [
        b"%b",
        b'["a", %b]'.replace(b"%b", b"[" * 3 + b"]" * 3 + b",%b"),
        b'{"\\"[":"}\\\\","a":%b}',
        b'["]]]", %b, "[[["]',
        b'[{"a":"\\\\\\"["}, %b]',
    ],
)
def test_the_depth_is_counted_outside_of_strings(around: bytes) -> None:
    outside = 0 if around == b"%b" else 1
    assert msgspec.json.decode(deep(3, around)) is not None
    check_depth(deep(MAX_DEPTH - outside, around))
    assert decode(deep(MAX_DEPTH - outside, around)) == msgspec.json.decode(deep(MAX_DEPTH - outside, around))
    with pytest.raises(ValueError, match="nested deeper than 200 levels"):
        check_depth(deep(MAX_DEPTH - outside + 1, around))


@pytest.mark.parametrize(
    "text", [b"[{}]" * 100_000, b'"' + b"[" * 5000 + b'"', b'"' + b"{\\" * 5000 + b'x"', b"]" * 5000]
)
def test_many_brackets_that_are_not_nested_are_not_deep(text: bytes) -> None:
    check_depth(text)


@pytest.mark.parametrize("text", [b"[" * 1_000_000, b'{"a":' * 300, b"{}" * 70_000 + b"[" * 201, b'[""' * 201])
def test_an_unfinished_text_can_be_too_deep(text: bytes) -> None:
    with pytest.raises(ValueError, match="nested deeper"):
        check_depth(text)


@given(JSON)
def test_the_depth_is_that_of_the_decoded_value(value: object) -> None:
    text = msgspec.json.encode(value)
    for levels in (MAX_DEPTH - _depth(value), MAX_DEPTH - _depth(value) + 1):
        around = b"[" * levels + text + b"]" * levels
        if levels + _depth(value) <= MAX_DEPTH:
            check_depth(around)
        else:
            with pytest.raises(ValueError, match="nested deeper"):
                check_depth(around)


def _depth(value: object) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(_depth, parts), default=0)
