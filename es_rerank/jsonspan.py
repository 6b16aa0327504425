"""Byte spans of values in JSON text. Edits replace single values and leave all other bytes unchanged.

msgspec skips each value at C speed and returns its raw bytes; the Python code here only reads keys and separators.

Text from outside is first checked with `check_depth`: how deep msgspec and recursive functions can go depends on the
Python version and on the call stack. The other functions expect text that is not nested deeper than `MAX_DEPTH`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from itertools import accumulate
from typing import Any, NamedTuple

from msgspec import Raw

from es_rerank.jsonrepair import decode_repaired

Edit = tuple[int, int, bytes]
"""An edit `(start, end, new)`: replace the bytes `[start, end)` by *new*."""

MAX_DEPTH = 200
"""Maximum nesting depth of JSON text. The engines accept about 30 nested queries, each of which has a few levels."""

# Counted in steps of this many brackets, to stop early and to let other threads run.
_BRACKETS_PER_STEP = 65_536
_TO_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_STRING = re.compile(rb'"[^"]*"?')
_LEVELS = tuple((byte == ord("[")) - (byte == ord("]")) for byte in range(256))
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


def check_depth(text: bytes) -> None:
    """Raise ValueError if objects and arrays in a JSON text, or in a sequence of texts, are nested too deeply.

    The time is linear in the length of the text, and short for a text with few objects and arrays.
    """
    if _has_more_than(text, MAX_DEPTH):
        depth = 0
        brackets = _brackets(text)
        for start in range(0, len(brackets), _BRACKETS_PER_STEP):
            step = brackets[start : start + _BRACKETS_PER_STEP]
            depths = list(accumulate(map(_LEVELS.__getitem__, step), initial=depth))
            if max(depths) > MAX_DEPTH:
                raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
            depth = depths[-1]


def decode(text: bytes | str, type: Any = Any) -> Any:  # noqa: A002 - the name of msgspec's argument
    """Decode a JSON text from outside. Raises ValueError if it is invalid, nested too deeply, or of another type.

    Half a surrogate pair is replaced by U+FFFD.
    """
    raw = text.encode() if isinstance(text, str) else text
    check_depth(raw)
    return decode_repaired(raw, type)[1]


def members(text: bytes) -> dict[str, Span]:
    """Return the span of each member of an object.

    Args:
        text: The JSON text of one object.

    Returns:
        The span of each member's value, in the order of the text.

    Raises:
        ValueError: The text is not a JSON object, or has a duplicate key.

    """
    text, decoded = decode_repaired(text, dict[str, Raw])
    spans: dict[str, Span] = {}
    position = text.index(b"{") + 1
    for name, raw in decoded.items():
        key = _KEY.match(text, position)
        start = key.end() if key else 0
        end = start + len(memoryview(raw))
        if key is None or not _is_key(key[1], name) or not text.startswith(bytes(raw), start):
            raise ValueError(f"duplicate key near byte {position}")
        spans[name] = Span(start, end, key.start(1))
        position = end
    closing = _after_gap(text, position)
    if text[closing : closing + 1] != b"}":
        raise ValueError(f"duplicate key near byte {position}")
    return spans


def elements(text: bytes) -> list[Span]:
    """Return the span of each element of an array. Raises ValueError if the text is not a JSON array."""
    spans = []
    position = text.find(b"[") + 1
    for raw in decode_repaired(text, list[Raw])[1]:
        start = _after_gap(text, position)
        position = start + len(memoryview(raw))
        spans.append(Span(start, position, start))
    return spans


def objects(text: bytes) -> list[tuple[bytes, dict[str, Span]]]:
    """Return the bytes of each object in an array, and the spans of its members relative to those bytes.

    Raises:
        ValueError: The text is not a JSON array of objects, or an object has a duplicate key.

    """
    return [(raw, members(raw)) for raw in (span.of(text) for span in elements(text))]


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


def remove_members(spans: Mapping[str, Span], names: Collection[str]) -> list[Edit]:
    """Return the edits that remove members and the comma that separates each from its neighbor.

    Args:
        spans: All members of the object, as returned by `members`.
        names: The keys to remove; keys that the object does not have are ignored.

    """
    edits: list[Edit] = []
    ordered = list(spans.items())
    is_first = True
    for position, (name, span) in enumerate(ordered):
        if name not in names:
            is_first = False
        elif not is_first:
            edits.append((ordered[position - 1][1].end, span.end, b""))
        else:
            following = ordered[position + 1][1].key if position + 1 < len(ordered) else span.end
            edits.append((span.key, following, b""))
    return edits


def splice(text: bytes, edits: Iterable[Edit]) -> bytes:
    """Apply edits whose spans do not overlap; all other bytes are unchanged."""
    parts: list[bytes] = []
    position = 0
    for start, end, new in sorted(edits):
        parts += [text[position:start], new]
        position = end
    return b"".join([*parts, text[position:]])


def splice_all(texts: Iterable[tuple[bytes, Iterable[Edit]]]) -> list[bytes]:
    """Apply to each text its own edits."""
    return [splice(text, edits) for text, edits in texts]


def _has_more_than(text: bytes, limit: int) -> bool:
    """Return whether a text has more than *limit* opening brackets; those in strings are counted as well."""
    count = 0
    for bracket in (b"{", b"["):
        at = text.find(bracket)
        while at >= 0:
            count += 1
            if count > limit:
                return True
            at = text.find(bracket, at + 1)
    return False


def _brackets(text: bytes) -> bytes:
    """Return the brackets outside of strings, all as square brackets."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Without two adjacent quotes, each bracket is still inside or outside of a string.
    brackets = text.translate(_TO_SQUARE, _NO_STRUCTURE).replace(b'""', b"")
    return _STRING.sub(b"", brackets) if b'"' in brackets else brackets


def _is_key(quoted: bytes, name: str) -> bool:
    """Return whether a quoted JSON key is *name*; only a key with escapes needs decoding."""
    return quoted[1:-1] == name.encode() or decode_repaired(quoted, str)[1] == name


def _after_gap(text: bytes, position: int) -> int:
    """Return the position after whitespace and commas. msgspec has already checked that the JSON is valid."""
    gap = _GAP.match(text, position)
    return gap.end() if gap else position


def _decode(text: bytes, span: Span | None) -> Any:
    """Decode the value at a span; None if there is no span or the value cannot be decoded."""
    try:
        return None if span is None else decode(span.of(text))
    except ValueError:
        return None
