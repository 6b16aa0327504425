"""Writes the client's answer from the engine's: hits in their new order, scores anew, all other bytes as they came."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from msgspec import json

from es_rerank.jsonspan import Edit, Span, elements, members, splice
from es_rerank.model import Plan
from es_rerank.search.passages import covered
from es_rerank.search.response.hits import Hit, SearchResponse, decoded, number
from es_rerank.search.scoring import POLICIES, Ranking

# Numbers between these are written without an exponent.
_PLAIN_FROM, _PLAIN_TO = 1e-3, 1e7
# What `stored_fields: _none_` leaves out of a hit.
_IDENTITY = ("_type", "_id", "_routing", "_ignored")
_PRETTY = re.compile(rb"\[\s")
_MARGIN = re.compile(rb"\n( *)$")


class RankedHit(NamedTuple):
    """A hit on its new place, with its new score; None keeps the engine's."""

    hit: Hit
    score: float | None


def rewrite(envelope: SearchResponse, plan: Plan, ranking: Ranking | None) -> bytes:
    """Write the page that *plan* promises, in the order and with the scores of *ranking*.

    Without a ranking the engine's own order and scores stand, cut to the client's page.
    """
    edits = _max_score(envelope, envelope, plan, ranking)
    return _written(envelope, paged(envelope, plan, ranking), plan, edits)


def rejoin(light: SearchResponse, full: SearchResponse, plan: Plan, ranking: Ranking | None) -> bytes | None:
    """Write the page from two answers: order, total and maximum of the *light* one, all else from the *full* one.

    None if the index has changed between them, so that a hit of the page is missing.
    """
    found = {hit.name: hit for hit in full.hits}
    page = paged(light, plan, ranking)
    if {one.hit.name for one in page} != found.keys():
        return None
    edits = _max_score(light, full, plan, ranking)
    if light.total and full.total:
        edits.append((full.total.start, full.total.end, light.total.of(light.body)))
    return _written(full, [RankedHit(found[one.hit.name], one.score) for one in page], plan, edits)


def paged(envelope: SearchResponse, plan: Plan, ranking: Ranking | None) -> list[RankedHit]:
    """Cut the client's page out of the ranking."""
    order = ranking.order if ranking else range(len(envelope.hits))
    first = plan.start - plan.fetch_from
    places = range(first, min(first + plan.size, len(order)))
    return [RankedHit(envelope.hits[order[at]], ranking.scores[at] if ranking else None) for at in places]


def _written(envelope: SearchResponse, page: Sequence[RankedHit], plan: Plan, edits: Sequence[Edit]) -> bytes:
    """Write an answer with these hits in it."""
    array = _array(envelope, [_hit(one, plan) for one in page])
    return splice(envelope.body, [*edits, (envelope.array.start, envelope.array.end, array)])


def _max_score(seen: SearchResponse, written: SearchResponse, plan: Plan, ranking: Ranking | None) -> list[Edit]:
    """Replace `max_score` in what is written by what follows from what was seen; null stays null."""
    old, span = seen.max_score, written.max_score
    if old is None or span is None:
        return []
    engine = number(decoded(old.of(seen.body)))
    if ranking is not None and seen.hits and not ranking.order:
        return [(span.start, span.end, b"null")]
    highest = None if ranking is None or engine is None else _highest(engine, plan, ranking)
    return [(span.start, span.end, old.of(seen.body) if highest is None else _number(highest))]


def _highest(engine: float, plan: Plan, ranking: Ranking) -> float | None:
    """Compute `max_score`: the first score of the window; beyond it, the engine's maximum as the tail shows it.

    None keeps the engine's.
    """
    if plan.window and ranking.scores:
        return ranking.scores[0]
    return POLICIES[plan.rule.policy.name].tail(engine)


def _array(envelope: SearchResponse, page: Sequence[bytes]) -> bytes:
    """Write the array of hits with the white space between them that the engine uses."""
    old = envelope.array.of(envelope.body)
    if not page:
        return b"[ ]" if _PRETTY.match(old) else b"[]"
    raws = [hit.raw for hit in envelope.hits]
    opening = old[: old.index(raws[0])]
    closing = old[old.rindex(raws[-1]) + len(raws[-1]) :]
    between = b","
    if len(raws) > 1:
        second = len(opening) + len(raws[0])
        between = old[second : old.index(raws[1], second)]
    return opening + between.join(page) + closing


def _hit(placed: RankedHit, plan: Plan) -> bytes:
    """Write one hit: new score, agreeing `sort` value and `_explanation`, without the fields that were only for us."""
    hit, score = placed
    edits = _without(hit, [name for name in plan.extra_fields if not covered(name, plan.asked_fields)])
    if plan.bare:
        edits += [_removal(hit.raw, hit.members[name]) for name in _IDENTITY if name in hit.members]
    if score is not None and score != hit.score:
        edits += [*_score(hit, score), *_sort(hit, score), *_explanation(hit, score, plan)]
    return splice(hit.raw, edits)


def _score(hit: Hit, score: float) -> list[Edit]:
    """Replace `_score`, unless the engine gave none."""
    span = hit.members.get("_score")
    return [(span.start, span.end, _number(score))] if span and hit.score is not None else []


def _sort(hit: Hit, score: float) -> list[Edit]:
    """Replace the first sort value, which is the score: other orders are not planned."""
    span = hit.members.get("sort")
    values = elements(span.of(hit.raw)) if span and hit.raw[span.start : span.start + 1] == b"[" else []
    if span is None or not values:
        return []
    at = hit.raw.index(values[0], span.start)
    return [(at, at + len(values[0]), _number(score))]


def _explanation(hit: Hit, score: float, plan: Plan) -> list[Edit]:
    """Set a node of ours on top of the engine's tree, in the engine's form: value, description, details."""
    span = hit.members.get("_explanation")
    if span is None:
        return []
    words = json.encode(f"es-rerank, policy {plan.rule.policy.name} over the engine's score below")
    return [(span.start, span.end, _node(hit.raw, span, score, words))]


def _node(text: bytes, span: Span, score: float, words: bytes) -> bytes:
    """Write the node around the tree at *span*, indented where the engine indents."""
    below = span.of(text)
    margin = _MARGIN.search(text[: span.key])
    if margin is None:
        return b'{"value":%b,"description":%b,"details":[%b]}' % (_number(score), words, below)
    inner = b"\n" + b" " * len(margin[1]) + b"  "
    tree = below.replace(b"\n", b"\n    ")
    lines = (
        b"{",
        b'"value" : %b,' % _number(score),
        b'"description" : %b,' % words,
        b'"details" : [',
        b"  " + tree,
        b"]",
    )
    return inner.join(lines) + inner[:-2] + b"}"


def _without(hit: Hit, names: Sequence[str]) -> list[Edit]:
    """Take fields out of a hit again; an object left empty goes as a whole."""
    span = hit.members.get("fields")
    if span is None or not names:
        return []
    text = span.of(hit.raw)
    left = _stripped(text, names)
    if left is None:
        return [_removal(hit.raw, span)]
    return [] if left == text else [(span.start, span.end, left)]


def _stripped(text: bytes, names: Sequence[str]) -> bytes | None:
    """Take members out of an object; None if nothing is left of it. Anything but a clean object stays."""
    try:
        inner = members(text) if text.startswith(b"{") else {}
    except ValueError:
        return text
    left = {name: _left(name, one.of(text), names) for name, one in inner.items()}
    if all(left[name] == one.of(text) for name, one in inner.items()):
        return text
    parts = [text[inner[name].key : inner[name].start] + one for name, one in left.items() if one is not None]
    spans = list(inner.values())
    between = text[spans[0].end : spans[1].key] if len(spans) > 1 else b","
    return text[: spans[0].key] + between.join(parts) + text[spans[-1].end :] if parts else None


def _left(name: str, value: bytes, names: Sequence[str]) -> bytes | None:
    """Strip one member; None if it goes. Elasticsearch writes `comments.said` as `{"comments": [{"said": [...]}]}`."""
    if name in names:
        return None
    below = [other.removeprefix(f"{name}.") for other in names if other.startswith(f"{name}.")]
    if not below or not value.startswith(b"["):
        return value
    old = elements(value)
    new = [one for one in (_stripped(raw, below) for raw in old) if one is not None]
    if new == old:
        return value
    return b"[" + b",".join(new) + b"]" if new else None


def _removal(text: bytes, span: Span) -> Edit:
    """Remove a member with the comma before it; a first member, which no engine makes of `fields`, is emptied."""
    comma = text.rfind(b",", 0, span.key)
    return (comma, span.end, b"") if comma > 0 else (span.start, span.end, b"{}")


def _number(score: float) -> bytes:
    """Write a score in the engines' form (Java's `Double.toString`): shortest digits, an exponent from 1.0E7 on."""
    if score == 0 or _PLAIN_FROM <= abs(score) < _PLAIN_TO:
        return json.encode(score)
    sign, digits, exponent = Decimal(repr(score)).normalize().as_tuple()
    text = "".join(map(str, digits))
    return f"{'-' * sign}{text[0]}.{text[1:] or '0'}E{int(exponent) + len(text) - 1}".encode()
