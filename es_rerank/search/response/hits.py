"""Locates the parts of a search response, so that only order and scores need to be rewritten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec import Struct, field

from es_rerank.jsonspan import Span, check_depth, decode_member, decode_repaired, element_texts, members
from es_rerank.model import HitKey, IndexInfo, Plan


class NotASearchResponseError(ValueError):
    """The body is not a search response that can be rewritten safely."""


class HitValues(Struct, gc=False):
    """The decoded members of a hit that es-rerank reads; None for a member that is missing or cannot be decoded."""

    index: Any = field(default=None, name="_index")
    id: Any = field(default=None, name="_id")
    routing: Any = field(default=None, name="_routing")
    score: Any = field(default=None, name="_score")
    source: Any = field(default=None, name="_source")
    fields: Any = None


class Hit(NamedTuple):
    """One hit: its bytes, its decoded members, and the engine's score (None if null or missing)."""

    raw: bytes
    values: HitValues
    score: float | None


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """A search response: its bytes, its hits, and the spans of `total`, `max_score`, `hits`, `_shards`, `timed_out`."""

    body: bytes
    total: Span | None
    max_score: Span | None
    array: Span
    hits: tuple[Hit, ...]
    shards: Span | None = None
    timed_out: Span | None = None


def read(body: bytes) -> SearchResponse:
    """Parse a search response.

    Format: `{"hits": {"max_score": ..., "hits": [{"_score": ..., ...}, ...]}, ...}`, the engines' search API.

    Raises:
        NotASearchResponseError: The body does not have this format, or has a duplicate key outside of the hits, or is
            nested too deeply.

    """
    try:
        check_depth(body)
        outer = members(body)
        hits = outer["hits"]
        inner = {name: span.moved(hits.start) for name, span in members(hits.of(body)).items()}
        array = inner["hits"]
        each = read_hits(array.of(body))
    except (KeyError, ValueError) as error:
        raise NotASearchResponseError(str(error)) from error
    ends = outer.get("_shards"), outer.get("timed_out")
    return SearchResponse(body, inner.get("total"), inner.get("max_score"), array, each, *ends)


def read_hits(array: bytes) -> tuple[Hit, ...]:
    """Return the hits in a JSON array that is not nested too deeply. Raises ValueError if an element is no object."""
    raw = element_texts(array)
    try:
        values = decode_repaired(array, list[HitValues])[1]
    except ValueError:
        # One of the values cannot be decoded, such as a number that is too large for a float.
        values = [_read_values(one) for one in raw]
    return tuple([Hit(text, one, number(one.score)) for text, one in zip(raw, values, strict=True)])


def _read_values(raw: bytes) -> HitValues:
    """Return the members of one hit, None for those that cannot be decoded. Raises ValueError if it is no object."""
    one = [(raw, members(raw))]
    return HitValues(*(decode_member(one, name)[0] for name in HitValues.__struct_encode_fields__))


def sources(hits: Sequence[Hit]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Return `_source` and `fields` of each hit; a missing or invalid value becomes an empty mapping."""
    rows = [(hit.values.source, hit.values.fields) for hit in hits]
    return [(source if type(source) is dict else {}, fields if type(fields) is dict else {}) for source, fields in rows]


def keys(hits: Sequence[Hit]) -> tuple[HitKey, ...]:
    """Return the index name, id and routing of each hit; a missing value becomes an empty string."""
    each = [hit.values for hit in hits]
    return tuple([HitKey(_string(one.index), _string(one.id), _string(one.routing)) for one in each])


def index_names(hits: Sequence[Hit]) -> list[str]:
    """Return the index name of each hit; an empty string if it is missing."""
    return [name if type(name := hit.values.index) is str else "" for hit in hits]


def _string(value: Any) -> str:
    """Return a decoded value if it is a string, otherwise an empty string."""
    return value if isinstance(value, str) else ""


def are_from(hits: Sequence[Hit], info: IndexInfo | None) -> bool:
    """Return whether all hits are from the indices of a mapping. After a change of an alias, they may not be."""
    if info is None or not info.names:
        return True
    return set(index_names(hits)) <= {"", *info.names}


def lack_source(hits: Sequence[Hit], plan: Plan) -> bool:
    """Return whether no hit has a `_source`, although it was requested. The mapping then has `_source` disabled."""
    return not (plan.extra_fields or plan.without_stored_fields) and all(hit.values.source is None for hit in hits)


def number(value: Any) -> float | None:
    """Convert a decoded value to a float; None if it is not a number or too large for a float."""
    if type(value) is float:
        return value
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None
