"""`_rank_eval`: reads the searches to be rated, and puts in their place queries that give the hits a person sees.

So the engine's own code computes every metric. Format: the ranking evaluation API of Elasticsearch and OpenSearch,
`{"requests": [{"id", "request" or "template_id" and "params", "ratings"}, ...], "metric": ..., "templates": [...]}`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Raw, Struct, json

from es_rerank.jsonspan import Edit, Span, elements, members, splice
from es_rerank.search.formats.endpoints import MOST_SEARCHES

# Every metric looks at so many hits where it does not say.
_DEFAULT_K = 10
# Floats of 32 bits, above zero, are in the order of their bits: those of the least normal one, and of the greatest.
_LEAST, _GREATEST = 0x0080_0000, 0x7F7F_FFFF
# What a search to be rated may not ask for, unless it is false.
_REFUSED = frozenset({"aggregations", "aggs", "explain", "highlight", "profile", "suggest"})
_NOTHING = b'{"query":{"match_none":{}}}'


@dataclass(frozen=True, slots=True)
class Request:
    """One search to be rated: its body, or (not None) what `_render/template` makes a body of.

    The metric looks at `size` hits.
    """

    body: bytes
    template: bytes | None
    size: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hit as a person sees it: the concrete index, the id and the score."""

    index: str
    id: str
    score: float


class _Requests(Struct):
    """What is to be rated, undecoded."""

    requests: list[Raw] = []


@dataclass(frozen=True, slots=True)
class _Rated:
    """One of the requests: where it begins, its bytes, and its members, whose spans count from there."""

    at: int
    raw: bytes
    members: Mapping[str, Span]


def too_many(body: bytes) -> bool:
    """Tell whether there are more searches to be rated than are planned."""
    try:
        return len(json.decode(body, type=_Requests).requests) > MOST_SEARCHES
    except (ValueError, RecursionError):
        return False


def read(body: bytes) -> tuple[Request, ...] | None:
    """Read the searches in their order; None for what the engine refuses, so that it words the error."""
    try:
        found = members(body)
        size = _size(found["metric"].of(body))
        templates = _templates(found["templates"].of(body)) if "templates" in found else {}
        return tuple(_request(one, templates, size) for one in _rated(body, found["requests"]))
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def ranked(hits: Sequence[Ranked]) -> bytes:
    """Write a search body that finds these hits in this order with these scores, as far as 32 bits can tell them apart.

    One function a hit, because the engines take no more than 1,024 clauses in a query.
    """
    if not hits:
        return _NOTHING
    scores = _falling([hit.score for hit in hits])
    functions = [
        {"filter": _documents(hit.index, [hit.id]), "weight": score} for hit, score in zip(hits, scores, strict=True)
    ]
    ids: dict[str, list[str]] = {}
    for hit in hits:
        ids.setdefault(hit.index, []).append(hit.id)
    query = {"bool": {"should": [_documents(index, those) for index, those in ids.items()]}}
    scored = {"query": query, "functions": functions, "score_mode": "first", "boost_mode": "replace"}
    return json.encode({"query": {"function_score": scored}})


def write(body: bytes, replaced: Mapping[int, bytes]) -> bytes:
    """Put other searches in at these positions of a body that `read` has read; all other bytes stay.

    Where a template was named, the search stands instead of it; templates that no request names any more go.
    """
    found = members(body)
    rated = _rated(body, found["requests"])
    edits = [
        (one.at + start, one.at + end, new)
        for position, one in enumerate(rated)
        if position in replaced
        for start, end, new in _replacement(one, replaced[position])
    ]
    named = any("template_id" in one.members for position, one in enumerate(rated) if position not in replaced)
    if "templates" in found and not named:
        edits.append(_removal(body, found, "templates"))
    return splice(body, edits)


def _rated(body: bytes, array: Span) -> list[_Rated]:
    """Find the requests. Raises ValueError for one that is no object, or says a thing twice."""
    found = []
    at = array.start + 1
    for raw in elements(array.of(body)):
        at = body.index(raw, at)
        found.append(_Rated(at, raw, members(raw)))
        at += len(raw)
    return found


def _size(metric: bytes) -> int:
    """Read how many hits a metric looks at: `{"precision": {"k": 20}}`. Raises ValueError for no such thing."""
    ((_, parameters),) = json.decode(metric, type=dict[str, dict[str, Any]]).items()
    size = int(parameters.get("k", _DEFAULT_K))
    if size < 1:
        raise ValueError("k must be positive")
    return size


def _templates(array: bytes) -> dict[str, tuple[bytes, bytes]]:
    """Read each template as a member of a render request: its key (`source`, or `id` of a stored one) and value."""
    found = {}
    for raw in elements(array):
        spans = members(raw)
        script = spans["template"].of(raw)
        inner = members(script)
        ((key, value),) = [(name, inner[name].of(script)) for name in ("source", "id") if name in inner]
        found[json.decode(spans["id"].of(raw), type=str)] = (key.encode(), value)
    return found


def _request(one: _Rated, templates: Mapping[str, tuple[bytes, bytes]], size: int) -> Request:
    """Read one request, which holds a search or names a template. Raises KeyError or ValueError for both or neither."""
    values = {name: span.of(one.raw) for name, span in one.members.items()}
    params = json.decode(values.get("params", b"{}"), type=dict[str, Any])
    search = values.get("request")
    if (search is None) != bool(params) or (search is None) != ("template_id" in values):
        raise ValueError("a request has a search, or a template and its params")
    if search is not None:
        if any(name in _REFUSED and span.of(search) != b"false" for name, span in members(search).items()):
            raise ValueError("a search to be rated has nothing but hits")
        return Request(search, None, size)
    key, value = templates[json.decode(values["template_id"], type=str)]
    return Request(b"", b'{"%b":%b,"params":%b}' % (key, value, values["params"]), size)


def _replacement(one: _Rated, search: bytes) -> Iterator[Edit]:
    """Put a search into a request, in place of its own or of the template it names."""
    own = one.members.get("request")
    if own:
        yield own.start, own.end, search
        return
    template = one.members["template_id"]
    yield template.key, template.end, b'"request":' + search
    yield _removal(one.raw, one.members, "params")


def _removal(text: bytes, found: Mapping[str, Span], name: str) -> Edit:
    """Take a member out of an object that has others, with the comma before or after it."""
    first, second, *_ = found
    if name == first:
        return found[name].key, found[second].key, b""
    return text.rindex(b",", 0, found[name].key), found[name].end, b""


def _documents(index: str, ids: Sequence[str]) -> dict[str, Any]:
    """Write a query for documents of one index; the engine may be searching several that have the same ids."""
    return {"bool": {"filter": [{"ids": {"values": ids}}, {"term": {"_index": index}}]}}


def _falling(scores: Sequence[float]) -> list[float]:
    """Lower each score, if it must be, below the one before: as floats of 32 bits, all above zero."""
    found = []
    before = _GREATEST + 1
    for after, score in zip(range(len(scores) - 1, -1, -1), scores, strict=True):
        # Those still to come need a place too.
        before = max(_LEAST + after, min(before - 1, _bits(score)))
        found.append(_float(before))
    return found


def _bits(score: float) -> int:
    """Give the bits of a score as a float of 32 bits; those below zero count as zero."""
    (bits,) = struct.unpack("<i", struct.pack("<f", min(_float(_GREATEST), max(0.0, score))))
    return int(bits)


def _float(bits: int) -> float:
    """Give the float of 32 bits that these are."""
    (value,) = struct.unpack("<f", struct.pack("<i", bits))
    return float(value)
