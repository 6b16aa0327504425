"""Invariants of the model side: passages, chunking, and scores."""

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

_MAX_FIELDS = 6


def passages(data: bytes) -> None:
    """Hits, field names and templates: a passage or none, without any character that is not in them."""
    names, template, raw = parted(data, 3)
    try:
        hit = Hit(raw, members(raw))
    except (ValueError, RecursionError):
        return
    fields = tuple(name for name in text(names).split("\n") if name)[:_MAX_FIELDS]
    ((source, flat),) = sources([hit])
    for form in (None, text(template) or None):
        (found,) = texts.passages([(source, flat)], Rule("docs", fields=fields, template=form), fields)
        if found is None:
            continue
        assert found
        known = {*" \n", *(form or ""), *_characters(source), *_characters(flat)}
        assert set(found) <= known, "a character is in no input"


def _characters(value: object) -> set[str]:
    """Collect the characters of all strings and numbers nested in a value."""
    found: set[str] = set()
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            pending += one.values()
        elif isinstance(one, list):
            pending += one
        else:
            found |= set(str(one))
    return found


def _each(document: str) -> Sequence[tuple[int, int]]:
    """Tokenize by character."""
    return [(at, at + 1) for at in range(len(document))]


def _pieces(document: str) -> Sequence[tuple[int, int]]:
    """Tokenize into words with their leading blank, in pieces of four characters, like byte pair encoding."""
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
    firsts = sum(_min_tokens(pieces[0], tokens) for pieces in found if pieces)
    later = sum(len(tokens(piece)) for pieces in found for piece in pieces[1:])
    assert later <= max(0, limits.max_search_tokens - firsts), "the token budget of the search is exceeded"


def _min_tokens(piece: str, tokens: Tokens) -> int:
    """Return the lowest token count that chunking may assume: it estimates short texts at three bytes per token."""
    return min(len(tokens(piece)), len(piece.encode("utf-8", "replace")) // 3 + 1)


def _documents(body: bytes) -> list[str | None]:
    """Decode a list of texts, or split the body at blank lines."""
    try:
        found = msgspec.json.decode(body)
        return [one if isinstance(one, str) else None for one in found] if isinstance(found, list) else []
    except (ValueError, RecursionError):
        return list(text(body).split("\n\n"))


def _cut(document: str, pieces: Sequence[str], limits: Limits, tokens: Tokens) -> None:
    first, newline, _ = document.partition("\n")
    for place, piece in enumerate(pieces):
        assert len(tokens(piece)) <= max(limits.max_passage_tokens, 1), "a passage exceeds the limit"
        headed = place and piece.startswith(first + newline)
        assert piece in document or (headed and piece.removeprefix(first + newline) in document), "invented"
    assert limits.mode == LongDocumentMode.MAX_PASSAGE or len(pieces) <= 1


def scores(data: bytes) -> None:
    """Responses of rerank servers: one finite score per text, or BadAnswerError; then a ranking of all texts."""
    prefix, body = parted(data, 2)
    choose = Choices(prefix)
    count = choose.number(5)
    profile = choose.one(tuple(PROFILES.values()))
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
