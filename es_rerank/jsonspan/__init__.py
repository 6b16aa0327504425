"""Byte spans of values in JSON text. Edits replace single values and leave all other bytes unchanged.

msgspec skips each value at C speed and returns its raw bytes; the Python code here reads only keys and separators.

Text from clients and servers is first checked with `check_depth`: the depth that msgspec and recursive functions can
handle depends on the Python version and the call stack. Other functions expect text of at most `MAX_DEPTH` levels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from es_rerank.jsonspan.depth import MAX_DEPTH, check_depth
from es_rerank.jsonspan.repair import with_whole_characters

__all__ = [
    "MAX_DEPTH",
    "Edit",
    "Span",
    "check_depth",
    "decode",
    "decode_member",
    "decode_repaired",
    "element_texts",
    "elements",
    "member",
    "members",
    "members_of_each",
    "objects",
    "splice",
]

Edit = tuple[int, int, bytes]
"""An edit `(start, end, new)`: replace the bytes `[start, end)` by *new*."""

_OBJECT, _ARRAY = dict[str, Raw], list[Raw]
# The separator before a key, the key, and the colon. msgspec has already checked that the JSON is valid.
_KEY = re.compile(rb'[\s,]*("(?:[^"\\]|\\.)*")\s*:\s*')
_GAP = re.compile(rb"[\s,]*")


class Span(NamedTuple):
    """The byte span `[start, end)` of a value.

    Attributes:
        start: Offset of the first byte of the value.
        end: Offset after the last byte of the value.
        key: Offset of the member's key; for an array element, the same as `start`.

    """

    start: int
    end: int
    key: int

    def of(self, text: bytes) -> bytes:
        """Return the bytes that this span covers in *text*, the text that the span was computed from."""
        return text[self.start : self.end]

    def moved(self, offset: int) -> Span:
        """Return this span shifted by *offset*, to convert from positions in a slice to positions in the full text."""
        return Span(self.start + offset, self.end + offset, self.key + offset)


class _Key(NamedTuple):
    """The text before a member's value (comma, key and colon), and its length in bytes from the start of the key."""

    text: bytes
    size: int


def decode(text: bytes | str, type: Any = Any) -> Any:  # noqa: A002 - the name of msgspec's argument
    """Decode a JSON text from a client or a server. Raises ValueError if it is invalid, too deep, or of another type.

    Each half of a surrogate pair is decoded as U+FFFD, the replacement character.
    """
    raw = text.encode() if isinstance(text, str) else text
    check_depth(raw)
    return decode_repaired(raw, type)[1]


def decode_repaired(text: bytes, type: Any) -> tuple[bytes, Any]:  # noqa: A002
    """Decode a JSON text that is not nested too deeply. Each half of a surrogate pair is decoded as U+FFFD.

    Returns:
        The text that was decoded, and the decoded value. Each value is at the same position as in *text*.

    Raises:
        ValueError: The text is invalid or of another type.

    """
    decode_text = _decoder(type).decode
    try:
        return text, decode_text(text)
    except msgspec.DecodeError:
        whole = with_whole_characters(text)
        if whole == text:
            raise
        return whole, decode_text(whole)


def members(text: bytes) -> dict[str, Span]:
    """Return the span of each member's value in a JSON object, in the order of the text.

    Raises:
        ValueError: The text is not a JSON object, or has a duplicate key.

    """
    return _members(text, {})


def members_of_each(texts: Iterable[bytes]) -> list[dict[str, Span]]:
    """Return the result of `members` for each object. Faster for objects whose keys are written in the same way."""
    layout: dict[str, _Key] = {}
    return [_members(text, layout) for text in texts]


def _members(text: bytes, layout: dict[str, _Key]) -> dict[str, Span]:
    """Return the spans of members. *layout* has the keys as earlier objects write them; new keys are added to it."""
    text, decoded = decode_repaired(text, _OBJECT)
    spans: dict[str, Span] = {}
    position = text.index(b"{") + 1
    for name, raw in decoded.items():
        key = layout.get(name)
        if key is None or not text.startswith(key.text, position):
            key = layout[name] = _key(text, position, name)
        start, value = position + len(key.text), bytes(raw)
        if not text.startswith(value, start):
            raise ValueError(f"duplicate key near byte {position}")
        position = start + len(value)
        spans[name] = Span(start, position, start - key.size)
    closing = _after_gap(text, position)
    if text[closing : closing + 1] != b"}":
        raise ValueError(f"duplicate key near byte {position}")
    return spans


def elements(text: bytes) -> list[Span]:
    """Return the span of each element of an array. Raises ValueError if the text is not a JSON array."""
    spans = []
    position = text.find(b"[") + 1
    for raw in decode_repaired(text, _ARRAY)[1]:
        start = _after_gap(text, position)
        position = start + len(memoryview(raw))
        spans.append(Span(start, position, start))
    return spans


def element_texts(text: bytes) -> list[bytes]:
    """Return the bytes of each element of an array. Raises ValueError if the text is not a JSON array."""
    repaired, decoded = decode_repaired(text, _ARRAY)
    return [bytes(raw) for raw in decoded] if repaired is text else [span.of(text) for span in elements(text)]


def objects(text: bytes) -> list[tuple[bytes, dict[str, Span]]]:
    """Return the bytes of each object in an array, and the spans of its members relative to those bytes.

    Raises:
        ValueError: The text is not a JSON array of objects, or an object has a duplicate key.

    """
    texts = element_texts(text)
    return list(zip(texts, members_of_each(texts), strict=True))


def decode_member(objects_: Iterable[tuple[bytes, Mapping[str, Span]]], name: str) -> list[Any]:
    """Decode the same member of each object.

    Returns:
        One value per object; None if the member is missing or cannot be decoded, such as a number too large for a
        float.

    """
    return [_decode(text, spans.get(name)) for text, spans in objects_]


def member(text: bytes, path: Iterable[str]) -> Span | None:
    """Return the span of the value at a path of keys, or None if it does not exist. Raises like `members`."""
    start, end = 0, len(text)
    span = None
    for name in path:
        found = members(text[start:end]).get(name)
        if found is None:
            return None
        span = found.moved(start)
        start, end = span.start, span.end
    return span


def splice(text: bytes, edits: Iterable[Edit]) -> bytes:
    """Return the text with the edits applied. Their spans must not overlap. All other bytes are unchanged."""
    parts: list[bytes] = []
    position = 0
    for start, end, new in sorted(edits):
        parts += [text[position:start], new]
        position = end
    return b"".join([*parts, text[position:]])


@cache
def _decoder(type: Any) -> msgspec.json.Decoder[Any]:  # noqa: A002
    """Return the decoder of a type. Cached, because creating a decoder takes longer than decoding a short text."""
    return msgspec.json.Decoder(type)


def _key(text: bytes, position: int, name: str) -> _Key:
    """Return the key of the member at a position, with its separators. Raises ValueError if the key is not *name*."""
    found = _KEY.match(text, position)
    if found is None or not _is_key(found[1], name):
        raise ValueError(f"duplicate key near byte {position}")
    return _Key(found[0], found.end() - found.start(1))


def _is_key(quoted: bytes, name: str) -> bool:
    """Return whether a quoted JSON key is *name*; only a key with escapes needs decoding."""
    return quoted[1:-1] == name.encode() or decode_repaired(quoted, str)[1] == name


def _after_gap(text: bytes, position: int) -> int:
    """Return the first position after white space and commas. msgspec has already checked that the JSON is valid."""
    gap = _GAP.match(text, position)
    return gap.end() if gap else position


def _decode(text: bytes, span: Span | None) -> Any:
    """Decode the value at a span. Return None if there is no span, or if the value cannot be decoded."""
    if span is None:
        return None
    value = span.of(text)
    with suppress(ValueError):
        # A level takes two bytes.
        if len(value) > 2 * MAX_DEPTH:
            return decode(value)
        with suppress(ValueError):
            return msgspec.json.decode(value)
        return decode_repaired(value, Any)[1]
    return None
