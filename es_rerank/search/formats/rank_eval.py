"""`_rank_eval`: parses the searches to be rated, and replaces them by queries that return the reranked hits.

The engine's own code computes every metric. Format: the ranking evaluation API of Elasticsearch and OpenSearch,
`{"requests": [{"id", "request" or "template_id" and "params", "ratings"}, ...], "metric": ..., "templates": [...]}`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import json

from es_rerank.jsonspan import Edit, Span, check_depth, elements, members, objects, splice
from es_rerank.jsonspan.removal import remove_members
from es_rerank.model import DEFAULT_BUDGET, HitKey, Skip, Why
from es_rerank.search.documents import documents_query
from es_rerank.search.formats.endpoints import MAX_SEARCHES, ParsedSearch
from es_rerank.search.paging import body_integer

# Default number of hits that a metric evaluates.
_DEFAULT_K = 10
# Bits of the smallest normal and of the largest positive 32-bit float. Positive floats are ordered like their bits.
_MIN_BITS, _MAX_BITS = 0x0080_0000, 0x7F7F_FFFF
# The engines reject these members of a search to be rated, unless they are false.
_REFUSED = frozenset({"aggregations", "aggs", "explain", "highlight", "profile", "suggest"})
_NO_HITS = b'{"query":{"match_none":{}}}'


@dataclass(frozen=True, slots=True)
class RankedHit:
    """A hit of the reranked page: its index name and id, and its score."""

    key: HitKey
    score: float


@dataclass(frozen=True, slots=True)
class _Rated:
    """One element of `requests`: its byte offset in the body, its bytes, and the spans of its members within `raw`."""

    start: int
    raw: bytes
    members: Mapping[str, Span]


def read(body: bytes, target: str, params: Mapping[str, str]) -> Sequence[ParsedSearch] | Skip:
    """Parse the searches to be rated, in request order.

    Args:
        body: The request body.
        target: The index expression of the path.
        params: The decoded URL parameters.

    Returns:
        The searches, each with the number of hits that the metric evaluates; a skip for an invalid request, so that the
        engine returns its own error.

    """
    if not DEFAULT_BUDGET.covers(body):
        return Skip(Why.TOO_COMPLEX)
    try:
        check_depth(body)
        found = members(body)
        rated = _rated(body, found["requests"])
        if len(rated) > MAX_SEARCHES:
            return Skip(Why.TOO_LARGE)
        own = {**params, "size": str(_size(found["metric"].of(body)))}
        templates = _templates(found["templates"].of(body)) if "templates" in found else {}
        budget = DEFAULT_BUDGET.shared(len(rated))
        searches = [replace(_search(one, templates, target, own), budget=budget) for one in rated]
    except (KeyError, OverflowError, ValueError):
        return Skip(Why.UNREADABLE)
    return searches or Skip(Why.UNREADABLE)


def ranked(hits: Sequence[RankedHit]) -> bytes:
    """Return a search body for which the engine returns *hits* in the same order, with their scores as 32-bit floats.

    Each hit is a function in a `function_score`, because the engines accept at most 1,024 clauses in a query.
    """
    if not hits:
        return _NO_HITS
    scores = _falling([hit.score for hit in hits])
    functions = [
        {"filter": documents_query([hit.key]), "weight": score} for hit, score in zip(hits, scores, strict=True)
    ]
    query = documents_query([hit.key for hit in hits])
    scored = {"query": query, "functions": functions, "score_mode": "first", "boost_mode": "replace"}
    return json.encode({"query": {"function_score": scored}})


def write(body: bytes, replaced: Mapping[int, bytes]) -> bytes:
    """Return a body parsed by `read` with the searches at some positions replaced; all other bytes are unchanged.

    Where a request names a template, the search replaces the template. Templates are removed if no request uses one.
    """
    found = members(body)
    rated = _rated(body, found["requests"])
    edits = [
        (one.start + start, one.start + end, new)
        for position, one in enumerate(rated)
        if position in replaced
        for start, end, new in _replacement(one, replaced[position])
    ]
    if not any("template_id" in one.members for position, one in enumerate(rated) if position not in replaced):
        edits += remove_members(found, {"templates"})
    return splice(body, edits)


def _rated(body: bytes, array: Span) -> list[_Rated]:
    """Return the elements of `requests`. Raises ValueError if one is not an object, or has a duplicate key."""
    text = array.of(body)
    spans = elements(text)
    return [
        _Rated(array.start + span.start, raw, inner) for span, (raw, inner) in zip(spans, objects(text), strict=True)
    ]


def _size(metric: bytes) -> int:
    """Return the number of hits that a metric evaluates, such as 20 for `{"precision": {"k": 20}}`.

    Raises:
        ValueError: The metric is invalid.

    """
    ((_, parameters),) = json.decode(metric, type=dict[str, dict[str, Any]]).items()
    size = body_integer(parameters.get("k", _DEFAULT_K))
    if size < 1:
        raise ValueError("k must be positive")
    return size


def _templates(array: bytes) -> dict[str, tuple[bytes, bytes]]:
    """Return, for each template id, name and value of the member to render it: `source` or, if it is stored, `id`."""
    found = {}
    for raw, spans in objects(array):
        script = spans["template"].of(raw)
        inner = members(script)
        ((key, value),) = [(name, inner[name].of(script)) for name in ("source", "id") if name in inner]
        found[json.decode(spans["id"].of(raw), type=str)] = (key.encode(), value)
    return found


def _search(
    rated: _Rated, templates: Mapping[str, tuple[bytes, bytes]], target: str, params: Mapping[str, str]
) -> ParsedSearch:
    """Return the search, or template, of one element of `requests`. Raises KeyError or ValueError if it is invalid."""
    values = {name: span.of(rated.raw) for name, span in rated.members.items()}
    template_params = json.decode(values.get("params", b"{}"), type=dict[str, Any])
    search = values.get("request")
    if (search is None) != bool(template_params) or (search is None) != ("template_id" in values):
        raise ValueError("a request has a search, or a template and its params")
    if search is not None:
        if any(name in _REFUSED and span.of(search) != b"false" for name, span in members(search).items()):
            raise ValueError("a rated search returns nothing but hits")
        return ParsedSearch(target, params, search)
    key, value = templates[json.decode(values["template_id"], type=str)]
    return ParsedSearch(target, params, b"", b'{"%b":%b,"params":%b}' % (key, value, values["params"]))


def _replacement(rated: _Rated, search: bytes) -> Iterator[Edit]:
    """Yield the edits that replace the search, or the template, of an element of `requests` with *search*."""
    own = rated.members.get("request")
    if own:
        yield own.start, own.end, search
        return
    template = rated.members["template_id"]
    yield template.key, template.end, b'"request":' + search
    yield from remove_members(rated.members, {"params"})


def _falling(scores: Sequence[float]) -> list[float]:
    """Return scores as positive 32-bit floats. A score that is not lower than the previous one is reduced."""
    falling = []
    bits = _MAX_BITS + 1
    for following, score in zip(range(len(scores) - 1, -1, -1), scores, strict=True):
        # Leave enough smaller values for the scores that follow.
        bits = max(_MIN_BITS + following, min(bits - 1, _bits(score)))
        falling.append(_float(bits))
    return falling


def _bits(score: float) -> int:
    """Return the bits of a score as a 32-bit float; a negative score is treated as zero."""
    (bits,) = struct.unpack("<i", struct.pack("<f", min(_float(_MAX_BITS), max(0.0, score))))
    return int(bits)


def _float(bits: int) -> float:
    """Return the 32-bit float with these bits."""
    (value,) = struct.unpack("<f", struct.pack("<i", bits))
    return float(value)
