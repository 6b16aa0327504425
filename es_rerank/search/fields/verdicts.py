"""Explains for each candidate field why the model reads it, or why not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from es_rerank.search.fields.choice import MAX_TEXTS, Columns, Place, is_repeated
from es_rerank.search.fields.names import Role, read_name
from es_rerank.search.fields.reading import compiled, places
from es_rerank.search.fields.statistics import statistics

_BY_NAME: Mapping[Role, str] = {
    Role.HEADLINE: "a headline, by its name",
    Role.SYNOPSIS: "a synopsis, by its name",
    Role.BODY: "a body, by its name",
}


class Verdict(NamedTuple):
    """A candidate field, with the decision whether the model reads it, and the reason."""

    field: str
    read: bool
    why: str


def verdicts(columns: Columns, named: Collection[str], query: str) -> list[Verdict]:
    """Return a verdict for each candidate field. The fields that the model reads are first, in reading order.

    Args:
        columns: The candidate fields, in the order of `candidates`, each with one text per document.
        named: The candidates that the query names.
        query: The query text.

    """
    chosen = places(columns, named, query)
    repeating = compiled(columns)
    read = [Verdict(name, read=True, why=_why_read(name, place, named)) for place in chosen for name in place]
    others = {name: texts for name, texts in columns.items() if not any(name in place for place in chosen)}
    whys = {name: _why_not(texts, len(chosen), is_repeating=name in repeating) for name, texts in others.items()}
    return read + [Verdict(name, read=False, why=why) for name, why in whys.items()]


def _why_read(name: str, place: Place, named: Collection[str]) -> str:
    """Return the reason why a field is read."""
    if name != place[0]:
        return f"read where {place[0]} has no value: the same text in another language"
    if name in named:
        return "the query searches or highlights it by name"
    return _BY_NAME.get(read_name(name).role, "its values are text")


def _why_not(texts: Sequence[str], chosen: int, *, is_repeating: bool) -> str:
    """Return the reason why a field is not read."""
    values = [text for text in texts if text]
    if not values:
        return "no document of the window has a value"
    if is_repeating:
        return "its values repeat those of other fields"
    if is_repeated(statistics(values, len(texts))):
        return "the documents share few values: an enumeration or boilerplate"
    if chosen >= MAX_TEXTS:
        return f"at most {MAX_TEXTS} texts are read"
    return "its values are identifiers, codes or single words rather than text"
