from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from es_rerank.jsonspan import decode, decode_member, decode_repaired, elements, members, objects
from es_rerank.jsonspan.repair import without_comments
from tests.search.strategies import JSON

HALF = rb'"cut \ud83d"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HALF, "cut \ufffd"),
        (rb'"\uDC00 x"', "\ufffd x"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\ud83d\ud83d\ude00\ude00"', "\ufffd\U0001f600\ufffd"),
        (rb'"\\ud83d\n\\\ud83d"', "\\ud83d\n\\\ufffd"),
        (rb'"\ud83d\n"', "\ufffd\n"),
        (rb'["\ud83d", "\udfff", 1.50]', ["\ufffd", "\ufffd", 1.5]),
        (rb'{"\ud83d":1}', {"\ufffd": 1}),
    ],
)
def test_half_a_surrogate_pair_is_replaced(text: bytes, expected: Any) -> None:
    whole, value = decode_repaired(text, Any)
    assert (value, len(whole)) == (expected, len(text))
    assert decode(text) == expected


@pytest.mark.parametrize("text", [b"", b'"', rb'"\ud8', rb'"\ud8zz"', rb'"\ud83d', rb'"\ud83d" x', rb'["\ud83d"'])
def test_any_other_invalid_text_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_repaired(text, Any)


def test_a_text_with_very_many_halves_is_refused() -> None:
    assert decode_repaired(b'"' + rb"\ud83d" * 10_000 + b'"', Any)[1] == "\ufffd" * 10_000
    with pytest.raises(msgspec.DecodeError):
        decode_repaired(b'"' + rb"\ud83d" * 10_001 + b'"', Any)


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_repaired(rb'["\ud83d"]', dict[str, Raw])


def test_slices_keep_the_bytes_of_the_text() -> None:
    text = rb'{"a\ud83d" : %b, "b":[%b, {"c":%b}]}' % (HALF, HALF, HALF)
    spans = members(text)
    assert {name: span.of(text) for name, span in spans.items()} == {
        "a\ufffd": HALF,
        "b": b'[%b, {"c":%b}]' % (HALF, HALF),
    }
    inner = spans["b"].of(text)
    assert [span.of(inner) for span in elements(inner)] == [HALF, b'{"c":%b}' % HALF]
    ((raw, found),) = objects(b'[{"c":%b}]' % HALF)
    assert found["c"].of(raw) == HALF
    assert decode_member([(raw, found)], "c") == ["cut \ufffd"]


@given(st.lists(st.characters() | st.sampled_from(["\ud83d", "\ude00", "\\", '"', "u", "\n"])).map("".join))
def test_any_text_that_python_reads_is_read_with_whole_characters(text: str) -> None:
    written = json.dumps([text]).encode()
    (found,) = decode_repaired(written, Any)[1]
    halves = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert found == halves


COMMENTED = {
    b'{"a":1}': b'{"a":1}',
    b' {"a":1} ': b' {"a":1} ',
    b'\xef\xbb\xbf{"a":1}': b'{"a":1}',
    b'/* c */{"a":1}': b'{"a" :1}',
    b'{"a" :1, // c "\n"b": "//x", /* "c */"c":"/*"}//': b'{"a"  :1,  \n"b" : "//x" ,  "c" :"/*" }',
    b'{"a":"http://x/*"}': b'{"a":"http://x/*"}',
    b'{"a":"\\"//"} /**/': b'{"a" :"\\"//" }',
    b'{"a":/': b'{"a":/',
}


@pytest.mark.parametrize(("text", "expected"), COMMENTED.items())
def test_comments_and_a_byte_order_mark_are_removed(text: bytes, expected: bytes) -> None:
    assert without_comments(text) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_text_in_utf_16_is_read_with_a_byte_order_mark(encoding: str) -> None:
    text = '{"ä":1}'
    written = text.encode(encoding)
    assert without_comments(written) == (text.encode() if encoding == "utf-16" else written)


def test_very_long_texts_are_left_as_they_are() -> None:
    text = b'{"a":1} //' + b" " * 20_000
    assert without_comments(text) is text


@given(JSON, st.sampled_from([b"// x\n", b'/* " */', b"/**/"]))
def test_a_comment_around_any_text_is_removed(value: Any, comment: bytes) -> None:
    text = msgspec.json.encode(value)
    assert msgspec.json.decode(without_comments(comment + text + b" " + comment)) == msgspec.json.decode(text)
