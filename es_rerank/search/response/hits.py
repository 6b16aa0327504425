"""Locates the parts of an engine's search response, so that only order and scores are written anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from es_rerank.jsonspan import Span, decode_member, members, objects
from es_rerank.model import HitKey


class NotASearchResponseError(ValueError):
    """The bytes are no search response that can be rewritten safely."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One hit: its bytes, the spans of its members within them, and the engine's score (None: null or missing)."""

    raw: bytes
    members: Mapping[str, Span]
    score: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """A search response: its bytes, the spans of `total`, `max_score` and the array of hits, and the hits."""

    body: bytes
    total: Span | None
    max_score: Span | None
    array: Span
    hits: tuple[Hit, ...]


def read(body: bytes) -> SearchResponse:
    """Locate the hits of a search response.

    Format: `{"hits": {"max_score": ..., "hits": [{"_score": ..., ...}, ...]}, ...}`, the engines' search API.

    Raises:
        NotASearchResponseError: The body is anything else, or repeats a key.

    """
    try:
        hits = members(body)["hits"]
        inner = {name: span.moved(hits.start) for name, span in members(hits.of(body)).items()}
        array = inner["hits"]
        found = objects(array.of(body))
    except (KeyError, ValueError, RecursionError) as error:
        raise NotASearchResponseError(str(error)) from error
    scores = map(number, decode_member(found, "_score"))
    each = tuple(Hit(raw, spans, score) for (raw, spans), score in zip(found, scores, strict=True))
    return SearchResponse(body, inner.get("total"), inner.get("max_score"), array, each)


def sources(hits: Sequence[Hit]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Decode `_source` and `fields` of each hit; an empty mapping stands for a missing or unreadable one."""
    objects_ = [(hit.raw, hit.members) for hit in hits]
    columns = (decode_member(objects_, name) for name in ("_source", "fields"))
    source, fields = ([value if isinstance(value, dict) else {} for value in column] for column in columns)
    return list(zip(source, fields, strict=True))


def keys(hits: Sequence[Hit]) -> tuple[HitKey, ...]:
    """Return what identifies each hit: its index and its id, each empty if the response has none."""
    objects_ = [(hit.raw, hit.members) for hit in hits]
    columns = (decode_member(objects_, name) for name in ("_index", "_id"))
    index, id_ = ([value if isinstance(value, str) else "" for value in column] for column in columns)
    return tuple(zip(index, id_, strict=True))


def number(value: Any) -> float | None:
    """Return a decoded value as a float; None for anything but a number that a float can hold."""
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None
