"""Finds the pieces of an engine's answer as byte spans, so that nothing but order and scores is ever written anew.

msgspec skips over values at C speed and tells their length; only keys and separators are walked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

Edit = tuple[int, int, bytes]
"""New bytes for the span `[start, end)`."""

_KEY = re.compile(rb'\s*("(?:[^"\\]|\\.)*")\s*:\s*')
_GAP = re.compile(rb"[\s,]*")


class NotASearchAnswerError(ValueError):
    """The bytes are no search answer that can be rewritten safely."""


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


@dataclass(frozen=True, slots=True)
class Hit:
    """One hit: its own bytes, and where its members lie in them."""

    raw: bytes
    members: Mapping[str, Span]

    def decoded(self, name: str) -> Any:
        """Decode one member; None if it is missing or cannot be decoded."""
        span = self.members.get(name)
        if span is None:
            return None
        try:
            return msgspec.json.decode(span.of(self.raw))
        except (ValueError, RecursionError):
            return None

    def object(self, name: str) -> Mapping[str, Any]:
        """Decode a member that is an object; an empty one for anything else."""
        value = self.decoded(name)
        return value if isinstance(value, dict) else {}

    @property
    def id(self) -> str:
        """The document's id; empty where the answer has none."""
        return self._text("_id")

    @property
    def index(self) -> str:
        """The name of the concrete index the document is in."""
        return self._text("_index")

    def _text(self, name: str) -> str:
        """Decode a member that is a string; empty for anything else."""
        found = self.decoded(name)
        return found if isinstance(found, str) else ""

    @property
    def score(self) -> float | None:
        """The engine's score; None where it says null or nothing."""
        return number(self.decoded("_score"))


@dataclass(frozen=True, slots=True)
class Envelope:
    """A search answer: its bytes, the spans of `total`, `max_score` and of the array of hits, and the hits."""

    body: bytes
    total: Span | None
    max_score: Span | None
    array: Span
    hits: tuple[Hit, ...]


def read(body: bytes) -> Envelope:
    """Find the hits in a search answer. Raises NotASearchAnswerError for anything else, duplicate keys included.

    Format: `{"hits": {"max_score": ..., "hits": [{"_score": ..., ...}, ...]}, ...}` (the engines' search API).
    """
    try:
        hits = members(body)["hits"]
        inner = {name: span.moved(hits.start) for name, span in members(hits.of(body)).items()}
        array = inner["hits"]
        found = tuple(Hit(raw, members(raw)) for raw in elements(array.of(body)))
    except (KeyError, ValueError, RecursionError) as error:
        raise NotASearchAnswerError(str(error)) from error
    return Envelope(body, inner.get("total"), inner.get("max_score"), array, found)


def members(text: bytes) -> dict[str, Span]:
    """Find the members of an object, relative to *text*. Raises ValueError for anything but one clean object."""
    decoded = msgspec.json.decode(text, type=dict[str, Raw])
    spans: dict[str, Span] = {}
    at = _after_gap(text, text.index(b"{") + 1)
    for name, raw in decoded.items():
        key = _KEY.match(text, at)
        if key is None or msgspec.json.decode(key.group(1)) != name:
            raise NotASearchAnswerError(f"duplicate key near byte {at}")
        end = key.end() + len(memoryview(raw))
        if text[key.end() : end] != bytes(raw):
            raise NotASearchAnswerError(f"duplicate key near byte {at}")
        spans[name] = Span(key.end(), end, key.start(1))
        at = _after_gap(text, end)
    if text[at : at + 1] != b"}":
        raise NotASearchAnswerError(f"duplicate key near byte {at}")
    return spans


def splice(text: bytes, edits: Iterable[Edit]) -> bytes:
    """Replace spans `[start, end)` that do not overlap; everything between them stays."""
    parts: list[bytes] = []
    at = 0
    for start, end, new in sorted(edits):
        parts += [text[at:start], new]
        at = end
    return b"".join([*parts, text[at:]])


def number(value: Any) -> float | None:
    """Read a score; None for anything but a number that a float can hold."""
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None


def elements(text: bytes) -> list[bytes]:
    """Cut the elements out of an array, each as the bytes it came in."""
    return [bytes(raw) for raw in msgspec.json.decode(text, type=list[Raw])]


def _after_gap(text: bytes, at: int) -> int:
    """Step over white space and commas; msgspec has checked the grammar already."""
    gap = _GAP.match(text, at)
    return gap.end() if gap else at
