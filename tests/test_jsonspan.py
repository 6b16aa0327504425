from __future__ import annotations

import pytest

from es_rerank.jsonspan import (
    Span,
    decode,
    decode_member,
    element_texts,
    elements,
    member,
    members,
    members_of_each,
    objects,
    splice,
)


def test_members_are_located_in_order() -> None:
    text = b'{ "a\\u0062" : [1, "}"] ,"":{} }'
    assert {name: span.of(text) for name, span in members(text).items()} == {"ab": b'[1, "}"]', "": b"{}"}
    assert text[members(text)["ab"].key :].startswith(b'"a')


def test_members_are_located_after_white_space() -> None:
    text = b' \n{"a":1}'
    assert members(text)["a"].of(text) == b"1"


def test_members_of_each_object_are_those_of_the_object_alone() -> None:
    texts = (b'{"a":1,"b":2}', b'{"b":3, "a":4}', b'{"\\u0061":5,"c":6}', b'{"a":7,"b":8}', b"{}")
    assert members_of_each(texts) == [members(text) for text in texts]
    with pytest.raises(ValueError, match="duplicate key"):
        members_of_each([*texts, b'{"a":1,"a":2}'])


@pytest.mark.parametrize("text", [b"", b"[]", b'{"a":1,"a":2}', b'{"a":1,"b":2,"a":1}', b'{"a":'])
def test_any_text_but_one_object_without_repeats_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec and es-rerank word it in their own ways
        members(text)


@pytest.mark.parametrize("after", [b"", b',"b":1', b',"":1'])
def test_the_error_for_a_repeated_key_tells_where_it_is(after: bytes) -> None:
    text = b'{"a":1,"a":1' + after + b"}"
    with pytest.raises(ValueError, match=f"duplicate key near byte {text.index(b',')}$"):
        members(text)


def test_a_span_of_a_slice_is_moved_to_its_place_in_the_text() -> None:
    text = b'{"out":{"in":42}}'
    out = members(text)["out"]
    assert members(out.of(text))["in"].moved(out.start).of(text) == b"42"


def test_a_value_is_located_by_its_path() -> None:
    text = b'{"a": {"b": {"c": 1.50}}, "b": 2}'
    span = member(text, ("a", "b", "c"))
    assert span
    assert span.of(text) == b"1.50"
    assert text[span.key :].startswith(b'"c"')
    assert member(text, ("a", "c")) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'[ 1.50 , "a,b",{ } ]', [b"1.50", b'"a,b"', b"{ }"]),
        (b" [1,1,11,1]", [b"1", b"1", b"11", b"1"]),
        (b"[]", []),
        (b"[ ]", []),
    ],
)
def test_elements_are_located_in_order(text: bytes, found: list[bytes]) -> None:
    assert [span.of(text) for span in elements(text)] == found
    assert all(span.key == span.start for span in elements(text))
    assert element_texts(text) == found


def test_texts_of_elements_are_those_of_the_engine_and_not_repaired() -> None:
    assert element_texts(b'["\\ud83d", 1]') == [b'"\\ud83d"', b"1"]


@pytest.mark.parametrize("text", [b"", b"{}", b"[1,]", b"[1", b"1"])
def test_elements_of_anything_else_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec and es-rerank word it in their own ways
        elements(text)


def test_objects_of_an_array_are_located_with_their_members() -> None:
    (first, spans), (second, none) = objects(b'[{"a": 1}, {}]')
    assert (first, spans["a"].of(first), second, none) == (b'{"a": 1}', b"1", b"{}", {})
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec and es-rerank word it in their own ways
        objects(b"[1]")


def test_the_same_member_of_many_objects_is_decoded() -> None:
    spans = objects(b'[{"a": 1.50, "b": 2}, {"b": 3}, {"a": null}, {"a": {"c": [1]}}]')
    assert decode_member(spans, "a") == [1.5, None, None, {"c": [1]}]
    assert decode_member([], "a") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"[1]", [1]), (b'"\xff"', None), (b"1e999", None), (b"[" * 3000 + b"]" * 3000, None)],
)
def test_a_member_that_cannot_be_decoded_is_none(text: bytes, expected: object) -> None:
    spans = {"x": Span(0, len(text), 0)}
    assert decode_member([(text, spans)], "x") == [expected]
    assert decode_member([(text, spans)], "y") == [None]


@pytest.mark.parametrize(
    "text",
    [
        b'[{"a":1,"b":2},{"a":3,"b":4}]',
        b'[ {"a" : 1,\n "b" : 2}, {"b":4,"a":3} , {"c":5}]',
        b'[{"a":1},{},{"a":2}]',
        b'[{"\\u0061":1},{"a":2},{"\\u0061":{"a":1}}]',
        b'[{"a":1,"b":1},{"b":1,"a":1}]',
        b"[]",
        b" [ ] ",
    ],
)
def test_objects_of_one_array_may_be_written_differently(text: bytes) -> None:
    found = [{name: span.of(raw) for name, span in spans.items()} for raw, spans in objects(text)]
    assert [{name: decode(value) for name, value in one.items()} for one in found] == decode(text)
    assert [decode(raw) for raw, _ in objects(text)] == decode(text)
    assert all(spans == members(raw) for raw, spans in objects(text))


@pytest.mark.parametrize(
    "text", [b'[{"a":1},{"a":2,"a":2}]', b'[{"a":1,"b":2},{"b":2,"a":1,"b":2}]', b'[{"a":1,"a":1}]', b"[1]", b"{}"]
)
def test_objects_with_repeated_keys_and_other_values_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"duplicate key|Expected"):
        objects(text)


def test_all_bytes_between_edits_are_unchanged() -> None:
    assert splice(b"0123456789", [(8, 9, b""), (1, 3, b"ab"), (5, 5, b"+")]) == b"0ab34+5679"
