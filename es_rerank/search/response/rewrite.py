"""Builds the client's response from the engine's: new order and scores, all other bytes unchanged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from msgspec import json

from es_rerank.jsonspan import (
    Edit,
    Span,
    decode_member,
    elements,
    members_of_each,
    splice,
)
from es_rerank.jsonspan.removal import remove_members
from es_rerank.model import HitKey, Plan
from es_rerank.search.passages import is_covered
from es_rerank.search.response.completeness import carried_over
from es_rerank.search.response.extra_fields import without_fields
from es_rerank.search.response.hits import Hit, SearchResponse, keys, number
from es_rerank.search.scoring import POLICIES, Ranking

# Numbers in this range are serialized without an exponent.
_MIN_PLAIN, _MAX_PLAIN = 1e-3, 1e7
# Hit members that the engine omits with `stored_fields: _none_`.
_STORED_MEMBERS = frozenset({"_type", "_id", "_routing", "_ignored"})
_PRETTY = re.compile(rb"\[\s")
_INDENT = re.compile(rb"\n( *)$")
Spans = Mapping[str, Span]
"""The spans of a hit's members."""


class RankedHit(NamedTuple):
    """A hit of the page with its new score; None keeps the engine's score."""

    hit: Hit
    score: float | None


def rewrite(response: SearchResponse, plan: Plan, ranking: Ranking | None) -> bytes | None:
    """Return the response with the client's page, for a search with one engine request.

    Args:
        response: The engine's response.
        plan: The plan of the search.
        ranking: The new order and scores; None keeps the engine's order.

    Returns:
        The body; None if a hit of the page has a duplicate key.

    """
    return _written(response, page(response, plan, ranking), plan, _max_score(response, response, plan, ranking))


def rejoin(query: SearchResponse, fetch: SearchResponse, plan: Plan, ranking: Ranking | None) -> bytes | None:
    """Return the response with the client's page, for a search with a query phase and a fetch phase.

    Order, scores, `total` and `max_score` come from the query phase, everything else from the fetch phase.

    Args:
        query: The response to the query phase.
        fetch: The response to the fetch phase.
        plan: The plan of the search.
        ranking: The new order and scores; None keeps the engine's order.

    Returns:
        The body; None if a hit of the page is missing because the index changed between the two phases, if two hits
        cannot be told apart, or if a hit of the page has a duplicate key.

    """
    fetched = dict(zip(keys(fetch.hits), fetch.hits, strict=True))
    hits = page(query, plan, ranking)
    wanted = keys([ranked.hit for ranked in hits])
    if len(set(wanted)) < len(wanted) or fetched.keys() != set(wanted):
        return None
    edits = [*_max_score(query, fetch, plan, ranking), *carried_over(query, fetch)]
    joined = [RankedHit(fetched[key], ranked.score) for key, ranked in zip(wanted, hits, strict=True)]
    return _written(fetch, joined, plan, edits)


def page(response: SearchResponse, plan: Plan, ranking: Ranking | None) -> list[RankedHit]:
    """Return the hits of the client's page, in the new order."""
    first = plan.start - plan.fetch.from_
    if ranking is None:
        # The score is not None, because the scores of the fetch phase differ if the index has changed since.
        return [RankedHit(hit, hit.score) for hit in response.hits[first : first + plan.size]]
    ranks = ranking.ranks(first, first + plan.size)
    return [RankedHit(response.hits[ranking.order[rank]], ranking.scores[rank]) for rank in ranks]


def page_keys(response: SearchResponse, plan: Plan, ranking: Ranking | None) -> tuple[HitKey, ...]:
    """Return the keys of the hits of the client's page, in the new order."""
    return keys([ranked.hit for ranked in page(response, plan, ranking)])


def _written(response: SearchResponse, hits: Sequence[RankedHit], plan: Plan, edits: Sequence[Edit]) -> bytes | None:
    """Return the response body with its hits replaced by *hits*; None if one of these cannot be rewritten."""
    try:
        texts = _texts(hits, plan)
    except ValueError:
        return None
    return splice(response.body, [*edits, (response.array.start, response.array.end, _array(response, texts))])


def _texts(hits: Sequence[RankedHit], plan: Plan) -> list[bytes]:
    """Return the JSON text of each hit for the client.

    Raises:
        ValueError: A hit has a duplicate key, and hits of the page must be changed.

    """
    texts = [ranked.hit.raw for ranked in hits]
    extra = [name for name in plan.extra_fields if not is_covered(name, plan.client_fields)]
    if not (extra or plan.without_stored_fields or any(map(_is_scored, hits))):
        return texts
    spans = members_of_each(texts)
    return [
        splice(text, _hit_edits(ranked, members_, plan, extra))
        for text, ranked, members_ in zip(texts, hits, spans, strict=True)
    ]


def _max_score(seen: SearchResponse, written: SearchResponse, plan: Plan, ranking: Ranking | None) -> list[Edit]:
    """Return the edit that sets `max_score` in *written*, computed from the response *seen*. A null is not changed."""
    old, span = seen.max_score, written.max_score
    if old is None or span is None:
        return []
    if ranking is not None and seen.hits and not ranking.order:
        return [(span.start, span.end, b"null")]
    (value,) = decode_member([(seen.body, {"max_score": old})], "max_score")
    highest = None if ranking is None or (engine := number(value)) is None else _highest(engine, plan, ranking)
    return [(span.start, span.end, old.of(seen.body) if highest is None else _number(highest))]


def _highest(engine: float, plan: Plan, ranking: Ranking) -> float | None:
    """Return the new `max_score`: the first hit's score or, on a page beyond the window, the engine's value, converted.

    None keeps the engine's value.
    """
    if plan.window and ranking.scores:
        return ranking.scores[0]
    return POLICIES[plan.rule.policy.name].tail(engine)


def _array(response: SearchResponse, hits: Sequence[bytes]) -> bytes:
    """Serialize the hits array with the same whitespace between hits as in the engine's response."""
    body, start, end = response.body, response.array.start, response.array.end
    if not hits:
        return b"[ ]" if _PRETTY.match(body, start) else b"[]"
    first = body.index(b"{", start)
    after = first + len(response.hits[0].raw)
    between = body[after : body.index(b"{", after)] if len(response.hits) > 1 else b","
    return body[start:first] + between.join(hits) + body[body.rindex(b"}", start, end) + 1 : end]


def _hit_edits(ranked: RankedHit, spans: Spans, plan: Plan, extra: Sequence[str]) -> list[Edit]:
    """Return the edits of one hit: new score, `sort` value and `_explanation`, and removal of *extra* fields."""
    hit, score = ranked
    edits = without_fields(hit.raw, spans, extra) if extra else []
    if plan.without_stored_fields:
        edits += remove_members(spans, _STORED_MEMBERS)
    if score is not None and _is_scored(ranked):
        edits += [*_score(hit, spans, score), *_sort(hit, spans, score), *_explanation(hit, spans, score, plan)]
    return edits


def _is_scored(ranked: RankedHit) -> bool:
    """Return whether a hit gets a score that differs from the engine's score."""
    return ranked.score is not None and ranked.score != ranked.hit.score


def _score(hit: Hit, spans: Spans, score: float) -> list[Edit]:
    """Return the edit that replaces `_score`; no edit if the engine returned no score."""
    span = spans.get("_score")
    return [(span.start, span.end, _number(score))] if span and hit.score is not None else []


def _sort(hit: Hit, spans: Spans, score: float) -> list[Edit]:
    """Return the edit that replaces the first sort value, which is always the score in searches that are reranked."""
    if (span := spans.get("sort")) is None or hit.raw[span.start : span.start + 1] != b"[":
        return []
    values = elements(span.of(hit.raw))
    return [(span.start + values[0].start, span.start + values[0].end, _number(score))] if values else []


def _explanation(hit: Hit, spans: Spans, score: float, plan: Plan) -> list[Edit]:
    """Return the edit that adds a root node to the engine's explanation: value, description, details."""
    if (span := spans.get("_explanation")) is None:
        return []
    description = json.encode(f"es-rerank, policy {plan.rule.policy.name} over the engine's score below")
    return [(span.start, span.end, _node(hit.raw, span, score, description))]


def _node(text: bytes, span: Span, score: float, description: bytes) -> bytes:
    """Serialize an `_explanation` whose only detail is the explanation at *span*, indented like the response."""
    below = span.of(text)
    indent = _INDENT.search(text[: span.key])
    if indent is None:
        return b'{"value":%b,"description":%b,"details":[%b]}' % (_number(score), description, below)
    inner = b"\n" + b" " * len(indent[1]) + b"  "
    tree = below.replace(b"\n", b"\n    ")
    lines = (
        b"{",
        b'"value" : %b,' % _number(score),
        b'"description" : %b,' % description,
        b'"details" : [',
        b"  " + tree,
        b"]",
    )
    return inner.join(lines) + inner[:-2] + b"}"


def _number(score: float) -> bytes:
    """Serialize a score like Java's `Double.toString`, as the engines do: shortest digits, exponent from 1.0E7 on."""
    if score == 0 or _MIN_PLAIN <= abs(score) < _MAX_PLAIN:
        return json.encode(score)
    sign, digits, exponent = Decimal(repr(score)).normalize().as_tuple()
    text = "".join(map(str, digits))
    return f"{'-' * sign}{text[0]}.{text[1:] or '0'}E{int(exponent) + len(text) - 1}".encode()
