"""Readers of leaf clauses, which yield the query text of a clause and the fields that it searches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from es_rerank.search.query_text.kql import kql_words
from es_rerank.search.query_text.lucene import lucene_words, wildcard_words
from es_rerank.search.query_text.simple import read_flags, simple_words
from es_rerank.search.query_text.terms import MAX_QUERY_CHARACTERS, Clause, Context, QueryText, items, listed, member

# Users type a few words. Longer lists of terms are generated: ids, tags, permissions.
_MAX_TERMS = 32
Reduce = Callable[[str, Context, bool], str]
"""(text, context, whether a searched field is a text field) -> the words of the text, without query syntax."""


def no_text(_value: Any, _context: Context) -> Iterator[QueryText]:
    """Yield nothing: the clause contains no text that a user typed."""
    return iter(())


def field_value(*keys: str, reduce: Callable[[str], str] = str) -> Clause:
    """Create the reader of a clause of the form `{field: text}` or `{field: {key: text}}`.

    Args:
        keys: The member names of the text in the long form; the first one present is used.
        reduce: Reduces the text to words.

    """

    def clause(value: Any, context: Context) -> Iterator[QueryText]:
        for name, inner in items(value):
            text = reduce(context.meter.take(_as_text(_first_value(inner, keys))))
            if text and context.is_text_field(name):
                yield QueryText(text, (name,))

    return clause


def term_value(*keys: str, reduce: Callable[[str], str] = str) -> Clause:
    """Create the reader of a term-level clause: `{field: term}`, `{field: [terms]}` or `{field: {key: ...}}`.

    It returns text only if the mapping says that the field is a text field. Otherwise the clause is only a filter.

    Args:
        keys: The keys that the term can have in `{field: {key: ...}}`.
        reduce: Removes syntax from a term, such as wildcards.

    """

    def clause(value: Any, context: Context) -> Iterator[QueryText]:
        for name, inner in items(value):
            terms = listed(_first_value(inner, keys)) if context.is_known_text_field(name) else []
            if len(terms) <= _MAX_TERMS:
                yield from (QueryText(reduce(_as_text(term)), (name,), term_level=True) for term in terms)

    return clause


def vector_text(*keys: str) -> Clause:
    """Create the reader of `{vector field: {key: text}}`, a clause whose text is not searched in a text field."""

    def clause(value: Any, _context: Context) -> Iterator[QueryText]:
        for query in listed(value):
            yield from (QueryText(_as_text(_first_value(inner, keys))) for _, inner in items(query))

    return clause


def _unchanged(text: str, _context: Context, searches_text: bool) -> str:
    """Return the text unchanged if it is searched in a text field, otherwise an empty string."""
    return text if searches_text else ""


def own_value(key: str, reduce: Reduce = _unchanged) -> Clause:
    """Create the reader of a clause of the form `{key: text, fields: [...]}`. It reduces the text to words.

    Without fields, the engines search the default fields, which are assumed to be text fields.
    """

    def clause(value: Any, context: Context) -> Iterator[QueryText]:
        names = tuple(_field_names(value))
        searches_text = not names or any(map(context.is_text_field, names))
        text = reduce(context.meter.take(_as_text(member(value, key))), context, searches_text)
        if text:
            yield QueryText(text, names)

    return clause


def model_text(key: str) -> Clause:
    """Create the reader of `{key: text, field: name}`, a clause whose text a model reads, whatever the field type."""

    def clause(value: Any, context: Context) -> Iterator[QueryText]:
        name = _as_text(member(value, "field"))
        yield QueryText(_as_text(member(value, key)), (name,) if context.is_known_text_field(name) else ())

    return clause


def more_like_this(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the texts in `like`, including those of artificial documents. Indexed documents have no text here."""
    names = tuple(_field_names(value))
    for like in [*listed(member(value, "like")), *listed(member(value, "like_text")), *listed(member(value, "docs"))]:
        texts = [like] if isinstance(like, str) and (not names or any(map(context.is_text_field, names))) else []
        for name, inner in items(member(like, "doc")):
            texts += listed(inner) if context.is_text_field(name) and (not names or name in names) else []
        yield QueryText(" ".join(map(_as_text, texts)), names)


def intervals(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the texts of the rules in `{field: rule}`."""
    for name, rule in items(value):
        if context.is_text_field(name):
            yield from (QueryText(text, (name,)) for text in _rule_texts(rule))


_RULES: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "match": ("query", str),
    "prefix": ("prefix", str),
    "wildcard": ("pattern", wildcard_words),
    "fuzzy": ("term", str),
}


def _rule_texts(rule: Any) -> Iterator[str]:
    """Yield the texts of one rule of an intervals query; `all_of` and `any_of` contain other rules."""
    for kind, inner in items(rule):
        if kind in _RULES:
            key, reduce = _RULES[kind]
            yield reduce(_as_text(member(inner, key)))
        elif kind in {"all_of", "any_of"}:
            for part in listed(member(inner, "intervals")):
                yield from _rule_texts(part)


def query_vector(value: Any, _context: Context) -> Iterator[QueryText]:
    """Yield the text from which the engine computes a query vector: `text_embedding`, or the inputs of `embedding`.

    Inputs of `embedding` can also be images, which have no text.
    """
    builder = member(value, "query_vector_builder")
    yield QueryText(_as_text(member(member(builder, "text_embedding"), "model_text")))
    for part in listed(member(member(builder, "embedding"), "input")):
        yield QueryText(_as_text(member(part, "value") if member(part, "type") == "text" else part))


def span_multi(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the text of the term-level clause in `match`; in a span query, it matches single words of the text."""
    for name, inner in items(member(value, "match")):
        yield from _IN_SPANS.get(name, no_text)(inner, context)


_IN_SPANS: Mapping[str, Clause] = {
    "prefix": field_value("value", "prefix"),
    "fuzzy": field_value("value"),
    "wildcard": field_value("value", "wildcard", reduce=wildcard_words),
}

query_string = own_value(
    "query",
    lambda text, context, searches_text: lucene_words(
        text, context.is_text_field, default_field_is_text=searches_text, parse=context.meter.parses
    ),
)


def simple_query_string(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the words of a `simple_query_string`. Only the operators in `flags` are treated as operators."""
    flags = read_flags(member(value, "flags"))

    def words(text: str, _context: Context, searches_text: bool) -> str:
        return simple_words(text, flags, parse=context.meter.parses(text)) if searches_text else ""

    yield from own_value("query", words)(value, context)


kql = own_value(
    "query",
    lambda text, context, searches_text: kql_words(
        text, context.is_text_field, default_field_is_text=searches_text, parse=context.meter.parses
    ),
)


def _first_value(inner: Any, keys: tuple[str, ...]) -> Any:
    """Return the value of the first key present. In the short form of a clause, the value itself is the text."""
    if not isinstance(inner, dict):
        return inner
    return next((inner[key] for key in keys if key in inner), None)


def _as_text(value: Any) -> str:
    """Return a string or number as text, truncated to the maximum query length; empty for other types."""
    is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value)[:MAX_QUERY_CHARACTERS] if is_text else ""


def _field_names(value: Any) -> Iterator[str]:
    """Yield the fields of a multi-field clause, without boosts."""
    names = member(value, "fields") or member(value, "default_field")
    for name in listed(names):
        if isinstance(name, str):
            yield name.partition("^")[0]
