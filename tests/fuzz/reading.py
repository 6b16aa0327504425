"""Promises about what the model reads and answers: passages, their cuts, and scores."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import msgspec

from es_rerank.jsonspan import members
from es_rerank.model import LongDocumentMode, PolicySpec, Rule
from es_rerank.rerank.backends import BACKENDS, BadAnswerError
from es_rerank.rerank.chunking import Limits, Tokens, estimate
from es_rerank.rerank.chunking import passages as cut
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import escape_special_tokens, probabilities
from es_rerank.search import passages as texts
from es_rerank.search.response.hits import Hit, sources
from es_rerank.search.scoring import POLICIES, rank
from tests.fuzz.inputs import Choices, parted, text

_MOST_FIELDS = 6


def passages(data: bytes) -> None:
    """Hits, field names and templates of any kind: a text or none, and no character that was not in them."""
    names, template, raw = parted(data, 3)
    try:
        hit = Hit(raw, members(raw))
    except (ValueError, RecursionError):
        return
    fields = tuple(name for name in text(names).split("\n") if name)[:_MOST_FIELDS]
    ((source, flat),) = sources([hit])
    for form in (None, text(template) or None):
        (found,) = texts.passages([(source, flat)], Rule("docs", fields=fields, template=form), fields)
        if found is None:
            continue
        assert found
        known = {*" \n", *(form or ""), *_characters(source), *_characters(flat)}
        assert set(found) <= known, "a character came from nowhere"


def _characters(value: object) -> set[str]:
    """Collect the characters of all strings and numbers below a value, however deep."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        else:
            found |= set(str(one))
    return found


def _each(document: str) -> Sequence[tuple[int, int]]:
    """Each character is a token."""
    return [(at, at + 1) for at in range(len(document))]


def _pieces(document: str) -> Sequence[tuple[int, int]]:
    """Words with the blank before them, in pieces of four characters, as byte pair encodings have them."""
    return [found.span() for found in re.finditer(r"\s?\S{1,4}|\s", document)]


_TOKENS: Sequence[Tokens] = (estimate, _each, _pieces)


def cuts(data: bytes) -> None:
    """Documents of any length: each passage is within the limit, and is a piece of its document."""
    knobs, query, body = parted(data, 3)
    turn = Choices(knobs)
    tokens = turn.one(_TOKENS)
    each = turn.number(40) + 1
    limits = Limits(turn.one(tuple(LongDocumentMode)), each, turn.one((1, each, 5 * each, 10_000)))
    documents = _documents(body)
    found = cut(documents, text(query), limits, tokens)
    assert len(found) == len(documents)
    for document, pieces in zip(documents, found, strict=True):
        assert bool(pieces) == bool(document)
        _cut(document or "", pieces, limits, tokens)
    firsts = sum(_least(pieces[0], tokens) for pieces in found if pieces)
    later = sum(len(tokens(piece)) for pieces in found for piece in pieces[1:])
    assert later <= max(0, limits.max_search_tokens - firsts), "more is read than one search may"


def _least(piece: str, tokens: Tokens) -> int:
    """Count what a first passage may be taken for: a short text is not tokenized, three bytes are a token then."""
    return min(len(tokens(piece)), len(piece.encode("utf-8", "replace")) // 3 + 1)


def _documents(body: bytes) -> list[str | None]:
    """Read a list of texts, or take the lines for texts."""
    try:
        found = msgspec.json.decode(body)
        return [one if isinstance(one, str) else None for one in found] if isinstance(found, list) else []
    except (ValueError, RecursionError):
        return list(text(body).split("\n\n"))


def _cut(document: str, pieces: Sequence[str], limits: Limits, tokens: Tokens) -> None:
    first, newline, _ = document.partition("\n")
    for place, piece in enumerate(pieces):
        assert len(tokens(piece)) <= max(limits.max_passage_tokens, 1), "a passage is longer than the model reads"
        headed = place and piece.startswith(first + newline)
        assert piece in document or (headed and piece.removeprefix(first + newline) in document), "invented"
    assert limits.mode == LongDocumentMode.MAX_PASSAGE or len(pieces) <= 1


def scores(data: bytes) -> None:
    """Answers of rerank servers: a finite score a text, or a fault that the wire knows; then an order of all texts."""
    knobs, body = parted(data, 2)
    turn = Choices(knobs)
    count = turn.number(5)
    profile = turn.one(tuple(PROFILES.values()))
    escape_special_tokens(profile.special, [text(body)])
    try:
        answer = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return
    for backend in BACKENDS.values():
        try:
            found = backend.decode(answer, count)
        except BadAnswerError:
            continue
        assert len(found) == count
        assert all(type(score) is float and math.isfinite(score) for score in found)
        _ordered(probabilities(profile, found, backend.raw))


def _ordered(probabilities: Sequence[float]) -> None:
    assert all(0 <= one <= 1 for one in probabilities)
    engine = [float(len(probabilities) - at) for at in range(len(probabilities))]
    for name in POLICIES:
        ranking = rank(PolicySpec(name), engine, probabilities)
        assert sorted(ranking.order) == list(range(len(engine)))
