from __future__ import annotations

import pytest

from es_rerank.jsonspan import elements, members, splice


def test_members_keep_their_place() -> None:
    text = b'{ "a\\u0062" : [1, "}"] ,"":{} }'
    assert {name: span.of(text) for name, span in members(text).items()} == {"ab": b'[1, "}"]', "": b"{}"}
    assert text[members(text)["ab"].key :].startswith(b'"a')


@pytest.mark.parametrize("text", [b"", b"[]", b'{"a":1,"a":2}', b'{"a":1,"b":2,"a":1}', b'{"a":'])
def test_what_is_no_clean_object_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - what is wrong has many names
        members(text)


def test_a_span_of_a_slice_is_moved_to_its_place_in_the_whole() -> None:
    text = b'{"out":{"in":42}}'
    out = members(text)["out"]
    assert members(out.of(text))["in"].moved(out.start).of(text) == b"42"


def test_elements() -> None:
    assert elements(b'[ 1.50 , "a,b",{ } ]') == [b"1.50", b'"a,b"', b"{ }"]


def test_spliced_text_keeps_all_between_the_edits() -> None:
    assert splice(b"0123456789", [(8, 9, b""), (1, 3, b"ab"), (5, 5, b"+")]) == b"0ab34+5679"
