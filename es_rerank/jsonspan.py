"""Finds values in JSON text as byte spans, so that what is rewritten can be spliced in and all else stays as it came.

msgspec skips over values at C speed and tells their length; only keys and separators are walked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from msgspec import Raw

Edit = tuple[int, int, bytes]
"""New bytes for the span `[start, end)`."""

_KEY = re.compile(rb'\s*("(?:[^"\\]|\\.)*")\s*:\s*')
_GAP = re.compile(rb"[\s,]*")


@dataclass(frozen=True, slots=True)
class Span:
    """A value's place in its buffer: `[start, end)` in bytes; `key` is where its key begins."""

    start: int
    end: int
    key: int

    def of(self, buffer: bytes) -> bytes:
        """Cut the value out of its buffer."""
        return buffer[self.start : self.end]

    def moved(self, by: int) -> Span:
        """Shift a span found in a slice to its place in the whole."""
        return Span(self.start + by, self.end + by, self.key + by)


def members(text: bytes) -> dict[str, Span]:
    """Find the members of an object, relative to *text*. Raises ValueError for anything but one clean object."""
    decoded = msgspec.json.decode(text, type=dict[str, Raw])
    spans: dict[str, Span] = {}
    at = _after_gap(text, text.index(b"{") + 1)
    for name, raw in decoded.items():
        key = _KEY.match(text, at)
        if key is None or msgspec.json.decode(key.group(1)) != name:
            raise ValueError(f"duplicate key near byte {at}")
        end = key.end() + len(memoryview(raw))
        if text[key.end() : end] != bytes(raw):
            raise ValueError(f"duplicate key near byte {at}")
        spans[name] = Span(key.end(), end, key.start(1))
        at = _after_gap(text, end)
    if text[at : at + 1] != b"}":
        raise ValueError(f"duplicate key near byte {at}")
    return spans


def splice(text: bytes, edits: Iterable[Edit]) -> bytes:
    """Replace spans `[start, end)` that do not overlap; everything between them stays."""
    parts: list[bytes] = []
    at = 0
    for start, end, new in sorted(edits):
        parts += [text[at:start], new]
        at = end
    return b"".join([*parts, text[at:]])


def elements(text: bytes) -> list[bytes]:
    """Cut the elements out of an array, each as the bytes it came in."""
    return [bytes(raw) for raw in msgspec.json.decode(text, type=list[Raw])]


def _after_gap(text: bytes, at: int) -> int:
    """Step over white space and commas; msgspec has checked the grammar already."""
    gap = _GAP.match(text, at)
    return gap.end() if gap else at
