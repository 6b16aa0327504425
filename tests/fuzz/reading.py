"""Invariants of the model side: passages, chunking, and scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from es_rerank.jsonspan import check_depth
from es_rerank.model import LongDocumentMode, PolicySpec, Rule
from es_rerank.rerank.backends import BACKENDS, BadAnswerError
from es_rerank.rerank.chunking import Cut, Limits, Measure, cut
from es_rerank.rerank.passage_choice import affordable, later_tokens, shared_words
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import probabilities
from es_rerank.rerank.special_tokens import escape_special_tokens
from es_rerank.rerank.token_rates import Tokens
from es_rerank.search import passages as texts
from es_rerank.search.response.hits import read_hits, sources
from es_rerank.search.scoring import POLICIES, rank
from tests.fuzz.inputs import Choices, parted, text

_MAX_FIELDS = 6


def passages(data: bytes) -> None:
    """Hits, field names and templates: a passage or none, without any character that is not in them."""
    names, template, raw = parted(data, 3)
    try:
        check_depth(raw)
        hits = read_hits(b"[%b]" % raw)
    except ValueError:
        return
    fields = tuple(name for name in text(names).split("\n") if name)[:_MAX_FIELDS]
    for source, flat in sources(hits):
        for form in (None, text(template) or None):
            (found,) = texts.passages([(source, flat)], Rule("docs", fields=fields, template=form), fields)
            known = {*" \n", *(form or ""), *_characters(source), *_characters(flat)}
            assert found is None or (found and set(found) <= known), "a character is in no input"


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


def _each(document: str) -> Tokens:
    """Count characters."""
    return Tokens(max(1, len(document)), len(document))


def _words(document: str) -> Tokens:
    """Count words, with up to one token per character."""
    return Tokens(len(document.split()) + 1, len(document))


_MEASURES: Sequence[Measure] = (_each, _words, *{profile.rates.measure for profile in PROFILES.values()})


def cuts(data: bytes) -> None:
    """Documents of any length: passages together contain all text of their document, and keep the token budget."""
    knobs, query, body = parted(data, 3)
    turn = Choices(knobs)
    measure = turn.one(_MEASURES)
    each = turn.number(40) + 8
    limits = Limits(
        turn.one(tuple(LongDocumentMode)), each, turn.one((1, each, 5 * each, 10_000)), each * turn.one((1, 2))
    )
    documents = [document for document in _documents(body) if document]
    found = [cut(document, limits, measure) for document in documents]
    for document, one in zip(documents, found, strict=True):
        _cut(document, one, limits)
    budget = turn.one((-1, 0, each, 10_000))
    chosen = affordable(found, shared_words(zip(documents, found, strict=True), text(query)), budget)
    assert all(numbers[0] == 0 for numbers in chosen)
    spent = sum(one.pieces[number].tokens for one, numbers in zip(found, chosen, strict=True) for number in numbers[1:])
    assert spent <= max(0, budget), "the token budget of the search is exceeded"
    assert spent == later_tokens(found) or budget < later_tokens(found)


def _documents(body: bytes) -> list[str | None]:
    """Decode a list of texts, or split the body at blank lines."""
    try:
        found = msgspec.json.decode(body)
        return [one if isinstance(one, str) else None for one in found] if isinstance(found, list) else []
    except (ValueError, RecursionError):
        return list(text(body).split("\n\n"))


def _cut(document: str, found: Cut, limits: Limits) -> None:
    at = 0
    for piece in found.pieces:
        assert piece.start < piece.end <= len(document)
        assert not document[at : piece.start].strip(), "text is lost between passages"
        at = piece.end
    is_read = (
        limits.mode is LongDocumentMode.TRUNCATE
        or sum(piece.tokens for piece in found.pieces) >= limits.max_search_tokens
    )
    assert is_read or not document[at:].strip(), "the end of the document is lost"
    assert limits.mode is LongDocumentMode.MAX_PASSAGE or len(found.pieces) == 1


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
