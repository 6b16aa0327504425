"""Finds the pieces of an engine's search answer, so that nothing but order and scores is ever written anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from es_rerank.jsonspan import Span, elements, members


class NotASearchResponseError(ValueError):
    """The bytes are no search answer that can be rewritten safely."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One hit: its own bytes, and where its members lie in them."""

    raw: bytes
    members: Mapping[str, Span]

    def decoded(self, name: str) -> Any:
        """Decode one member; None if it is missing or cannot be decoded."""
        span = self.members.get(name)
        return None if span is None else decoded(span.of(self.raw))

    def object(self, name: str) -> Mapping[str, Any]:
        """Decode a member that is an object; an empty one for anything else."""
        value = self.decoded(name)
        return value if isinstance(value, dict) else {}

    @property
    def id(self) -> str:
        """The document's id; empty where the answer has none."""
        return self._text("_id")

    @property
    def name(self) -> tuple[str, str]:
        """What names one document: index and id."""
        return self.index, self.id

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
class SearchResponse:
    """A search answer: its bytes, the spans of `total`, `max_score` and of the array of hits, and the hits."""

    body: bytes
    total: Span | None
    max_score: Span | None
    array: Span
    hits: tuple[Hit, ...]


def read(body: bytes) -> SearchResponse:
    """Find the hits in a search answer. Raises NotASearchAnswerError for anything else, duplicate keys included.

    Format: `{"hits": {"max_score": ..., "hits": [{"_score": ..., ...}, ...]}, ...}` (the engines' search API).
    """
    try:
        hits = members(body)["hits"]
        inner = {name: span.moved(hits.start) for name, span in members(hits.of(body)).items()}
        array = inner["hits"]
        found = tuple(Hit(raw, members(raw)) for raw in elements(array.of(body)))
    except (KeyError, ValueError, RecursionError) as error:
        raise NotASearchResponseError(str(error)) from error
    return SearchResponse(body, inner.get("total"), inner.get("max_score"), array, found)


def decoded(value: bytes) -> Any:
    """Decode a value; None if that cannot be done, as with a number that no float can hold."""
    try:
        return msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return None


def number(value: Any) -> float | None:
    """Read a score; None for anything but a number that a float can hold."""
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None
