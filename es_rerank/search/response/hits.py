"""Locates the parts of a search response, so that only order and scores need to be rewritten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from es_rerank.jsonspan import Span, check_depth, decode_member, members, objects
from es_rerank.model import HitKey, IndexInfo, Plan


class NotASearchResponseError(ValueError):
    """The body is not a search response that can be rewritten safely."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One hit: its bytes, the spans of its members in these bytes, and the engine's score (None if null or missing)."""

    raw: bytes
    members: Mapping[str, Span]
    score: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """A search response: its bytes, the spans of `total`, `max_score`, `hits` and `_shards`, and the hits."""

    body: bytes
    total: Span | None
    max_score: Span | None
    array: Span
    hits: tuple[Hit, ...]
    shards: Span | None = None


def read(body: bytes) -> SearchResponse:
    """Parse a search response.

    Format: `{"hits": {"max_score": ..., "hits": [{"_score": ..., ...}, ...]}, ...}`, the engines' search API.

    Raises:
        NotASearchResponseError: The body does not have this format, or has a duplicate key, or is nested too deeply.

    """
    try:
        check_depth(body)
        outer = members(body)
        hits = outer["hits"]
        inner = {name: span.moved(hits.start) for name, span in members(hits.of(body)).items()}
        array = inner["hits"]
        found = objects(array.of(body))
    except (KeyError, ValueError) as error:
        raise NotASearchResponseError(str(error)) from error
    scores = map(number, decode_member(found, "_score"))
    each = tuple(Hit(raw, spans, score) for (raw, spans), score in zip(found, scores, strict=True))
    return SearchResponse(body, inner.get("total"), inner.get("max_score"), array, each, outer.get("_shards"))


def sources(hits: Sequence[Hit]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Decode `_source` and `fields` of each hit; a missing or invalid value becomes an empty mapping."""
    objects_ = [(hit.raw, hit.members) for hit in hits]
    columns = (decode_member(objects_, name) for name in ("_source", "fields"))
    source, fields = ([value if isinstance(value, dict) else {} for value in column] for column in columns)
    return list(zip(source, fields, strict=True))


def keys(hits: Sequence[Hit]) -> tuple[HitKey, ...]:
    """Return the index name, id and routing of each hit; a missing value becomes an empty string."""
    objects_ = [(hit.raw, hit.members) for hit in hits]
    columns = (decode_member(objects_, name) for name in ("_index", "_id", "_routing"))
    rows = zip(*columns, strict=True)
    return tuple(HitKey(*(value if isinstance(value, str) else "" for value in row)) for row in rows)


def are_from(hits: Sequence[Hit], info: IndexInfo | None) -> bool:
    """Return whether all hits are from the indices of a mapping. If an alias has moved since, they are from others."""
    if info is None or not info.names:
        return True
    found = decode_member([(hit.raw, hit.members) for hit in hits], "_index")
    return {name for name in found if isinstance(name, str)} <= set(info.names)


def lack_source(hits: Sequence[Hit], plan: Plan) -> bool:
    """Return whether no hit has the `_source` that the engine was asked for: it is disabled in the mapping."""
    return not (plan.extra_fields or plan.without_stored_fields) and not any("_source" in hit.members for hit in hits)


def number(value: Any) -> float | None:
    """Convert a decoded value to a float; None if it is not a number or too large for a float."""
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None
