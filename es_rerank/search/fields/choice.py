"""Chooses among candidate fields by the documents of a window, and orders them: headlines, texts, short phrases.

The choice depends only on the documents, the field names and the query, so that all pages of a search, both engines and
all replicas read the same text.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from es_rerank.search.fields.names import FieldName, Role, read_name
from es_rerank.search.fields.statistics import Statistics, statistics

Place = tuple[str, ...]
"""A place: the name of one field, or the names of fields that have the same text in several languages.

Of several fields, the model reads in each document only the first one that has a value.
"""
Columns = Mapping[str, Sequence[str]]
"""Field name -> the text of the field in each document of the window, empty if the document has no text there."""

MAX_TEXTS = 8
_MAX_HEADLINE_CHARACTERS = 250
_MAX_SYNOPSIS_WORDS = 300
# A value of one word, or of several words, is a code if its share of natural words is lower than this.
_MIN_NATURAL_WORD, _MIN_NATURAL_TEXT = 0.6, 0.2
# A value of at least this many words is prose; a shorter one of at least `_PHRASE_WORDS` is a phrase.
_PROSE_WORDS, _PHRASE_WORDS = 6.0, 1.5
# If a field has this share of repeated values in at least this many documents, it is an enumeration or boilerplate.
_MAX_REPEATED, _MIN_REPEATED_DOCUMENTS = 0.5, 5
# A field that is not named like a headline may be one if at least this share of the documents have a value, and at
# least this share of the values are distinct.
_MIN_HEADLINE_SHARE = 0.8
_ROLE_SCORES = {
    Role.HEADLINE: 1.0,
    Role.SYNOPSIS: 2.0,
    Role.BODY: 2.0,
    Role.UNKNOWN: 1.0,
    Role.NAME: 0.0,
    Role.LABEL: 0.0,
}
_DEPTH_SCORE, _MAX_SCORED_DEPTH = 0.5, 3
# The score of a field grows each time its mean number of words reaches one of these lengths.
_LENGTHS, _LENGTH_SCORE, _RANK_SCORE = (4, 16, 64), 0.4, 0.01
# The words of the query are counted in this many documents, and in this many characters of each.
_QUERY_WORDS, _QUERY_DOCUMENTS, _QUERY_CHARACTERS = 8, 8, 400


class _Candidate(NamedTuple):
    """A place, with its statistics and whether the query names it. `order` is its position among the candidates."""

    place: Place
    name: FieldName
    seen: Statistics
    named: bool
    order: int


def choose(columns: Columns, named: Collection[str], query: str) -> tuple[Place, ...]:
    """Return the fields that the model reads, in order.

    The headline is first, because long texts are cut at the end. Then come the fields that the query names, synopses,
    other prose, and phrases. Identifiers, addresses, enumerations and boilerplate are read only if the query names
    them, or if there is nothing else.

    Args:
        columns: The candidate fields, in the order of `candidates`, with their texts.
        named: The candidates that the query names.
        query: The query text, which decides between languages.

    Returns:
        At most `MAX_TEXTS` places; empty only if no document has a text.

    """
    found = _candidates(columns, named, query)
    texts = [one for one in found if not _is_label(one)]
    headline = _headline(texts, [one for one in found if one.name.role is Role.NAME])
    rest = sorted((one for one in texts if one is not headline), key=_reading_order)
    labels = [one for one in found if one.named and _is_label(one) and one is not headline]
    chosen = [*([headline] if headline else []), *rest, *labels] or found
    return tuple(one.place for one in chosen[:MAX_TEXTS])


def _candidates(columns: Columns, named: Collection[str], query: str) -> list[_Candidate]:
    """Return the places that have a value in the window, with their statistics."""
    found = []
    for order, place in enumerate(_places(columns, named, query)):
        values = [value for value in _merged(columns, place) if value]
        if values:
            seen = statistics(values, len(columns[place[0]]))
            found.append(_Candidate(place, read_name(place[0]), seen, any(name in named for name in place), order))
    return found


def _places(columns: Columns, named: Collection[str], query: str) -> list[Place]:
    """Return one place for each group of fields that differ only in their language, and one for each other field.

    In a group, the field in the best language is first.
    """
    groups: dict[str, list[str]] = {}
    for name in columns:
        group = read_name(name).group
        # The key of a group differs from every field name.
        groups.setdefault(f"\0{group}" if group else name, []).append(name)
    words = query.lower().split()[:_QUERY_WORDS]
    return [_by_language(names, columns, named, words) for names in groups.values()]


def _by_language(names: list[str], columns: Columns, named: Collection[str], words: Sequence[str]) -> Place:
    """Return the fields of a group: first those that the query names, then those with the most words of the query."""
    if len(names) == 1:
        return tuple(names)

    def matches(name: str) -> int:
        values = [value for value in columns[name] if value][:_QUERY_DOCUMENTS]
        return sum(word in value[:_QUERY_CHARACTERS].lower() for value in values for word in words)

    return tuple(sorted(names, key=lambda name: (name not in named, -matches(name))))


def _merged(columns: Columns, place: Place) -> Sequence[str]:
    """Return one text per document: that of the first field of a place that has a value, empty if no field has one."""
    if len(place) == 1:
        return columns[place[0]]
    return [next(filter(None, row), "") for row in zip(*(columns[name] for name in place), strict=True)]


def _is_label(one: _Candidate) -> bool:
    """Return whether a field contains codes, an enumeration or single words rather than text."""
    role, seen = one.name.role, one.seen
    if seen.words < _PHRASE_WORDS:
        is_short = role is not Role.HEADLINE or seen.natural < _MIN_NATURAL_WORD
        return is_short or is_repeated(seen)
    if role is Role.BODY:
        return False
    if seen.natural < _MIN_NATURAL_TEXT or is_repeated(seen):
        return True
    return role >= Role.NAME and seen.words < _PROSE_WORDS


def is_repeated(seen: Statistics) -> bool:
    """Return whether many documents have the same few values, as in an enumeration or in boilerplate."""
    return seen.documents >= _MIN_REPEATED_DOCUMENTS and seen.distinct <= _MAX_REPEATED


def _headline(texts: Sequence[_Candidate], names: Sequence[_Candidate]) -> _Candidate | None:
    """Return the headline: a short text named like a headline or, if there is none, the first text that looks like one.

    *names* are fields with the name of something other than the document, such as `company.name`. In a list of
    companies, this field is the headline.
    """
    short = [one for one in texts if one.seen.characters <= _MAX_HEADLINE_CHARACTERS]
    by_name = [one for one in short if one.name.role is Role.HEADLINE]
    if by_name:
        return min(by_name, key=lambda one: (one.name.depth, one.order))
    return next((one for one in [*short, *names] if _looks_like_a_headline(one, texts)), None)


def _looks_like_a_headline(one: _Candidate, texts: Sequence[_Candidate]) -> bool:
    """Return whether nearly every document has a different value of a field, and another field has longer texts."""
    return (
        one.name.role in {Role.SYNOPSIS, Role.UNKNOWN, Role.NAME}
        and not one.name.depth
        and one.seen.words >= _PHRASE_WORDS
        and one.seen.natural >= _MIN_NATURAL_WORD
        and min(one.seen.coverage, one.seen.distinct) >= _MIN_HEADLINE_SHARE
        and any(other.seen.words > max(one.seen.words, _PROSE_WORDS) for other in texts)
    )


def _reading_order(one: _Candidate) -> tuple[int, float, int]:
    """Return the sort key of a text that is not a headline: fields that the query names, synopses, prose, phrases."""
    is_prose = one.seen.words >= _PROSE_WORDS or one.name.role is Role.BODY
    is_synopsis = one.name.role <= Role.SYNOPSIS and one.seen.words <= _MAX_SYNOPSIS_WORDS
    section = 0 if one.named and is_prose else 1 if is_synopsis else 2 if is_prose else 3 if one.named else 4
    return section, -_score(one), one.order


def _score(one: _Candidate) -> float:
    """Return a score that is higher the more likely a field has the main text of a document.

    It depends on the name, depth, length and coverage of the field.
    """
    length = next((step for step, words in enumerate(_LENGTHS) if one.seen.words < words), len(_LENGTHS))
    return (
        _ROLE_SCORES[one.name.role]
        - _RANK_SCORE * one.name.rank
        - _DEPTH_SCORE * min(one.name.depth, _MAX_SCORED_DEPTH)
        + _LENGTH_SCORE * length
        + one.seen.coverage
    )
