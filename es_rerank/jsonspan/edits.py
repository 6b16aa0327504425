"""Spans of a text, and edits that replace single spans."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

Edit = tuple[int, int, bytes]
"""An edit `(start, end, new)`: replace the bytes `[start, end)` by *new*."""


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
