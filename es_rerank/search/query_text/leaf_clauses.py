"""Query clauses that hold words themselves, and what a clause knows of the fields it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from es_rerank.search.query_text.kql import kql_words
from es_rerank.search.query_text.lucene import lucene_words, simple_words, wildcard_words
from es_rerank.search.query_text.terms import MOST_CHARACTERS, Clause, Context, QueryText, items, listed, member

# A longer list of terms was typed by nobody.
_MOST_TERMS = 32
# Reduces a text to words; the flag says whether one of the fields that the clause names holds words.
Reduce = Callable[[str, Context, bool], str]


def no_text(_value: Any, _context: Context) -> Iterator[QueryText]:
    """Say nothing: a clause without words of a person."""
    return iter(())


def field_value(*keys: str, reduce: Callable[[str], str] = str) -> Clause:
    """Make a clause of the form `{field: text}` or `{field: {key: text}}`."""

    def clause(value: Any, context: Context) -> Iterator[QueryText]:
        for name, inner in items(value):
            text = reduce(_words(_first(inner, keys)))
            if text and context.is_text_field(name):
                yield QueryText(text, (name,))

    return clause


def term_value(*keys: str, reduce: Callable[[str], str] = str) -> Clause:
    """Make a term-level clause, `{field: term}`, `{field: [terms]}` or `{field: {key: ...}}`.

    It is a filter unless the mapping says that the field holds words.
    """

    def clause(value: Any, context: Context) -> Iterator[QueryText]:
        for name, inner in items(value):
            terms = listed(_first(inner, keys)) if context.certain(name) else []
            if len(terms) <= _MOST_TERMS:
                yield from (QueryText(reduce(_words(one)), (name,), exact=True) for one in terms)

    return clause


def vector_text(*keys: str) -> Clause:
    """Make a clause of the form `{vector: {key: text}}`: the field is a vector, its name says nothing of words."""

    def clause(value: Any, _context: Context) -> Iterator[QueryText]:
        for one in listed(value):
            yield from (QueryText(_words(_first(inner, keys))) for _, inner in items(one))

    return clause


def _plain(text: str, _context: Context, unscoped: bool) -> str:
    """Take a text as it is."""
    return text if unscoped else ""


def own_value(key: str, reduce: Reduce = _plain) -> Clause:
    """Make a clause of the form `{key: text, fields: [...]}`, its text reduced to words."""

    def clause(value: Any, context: Context) -> Iterator[QueryText]:
        names = tuple(_field_names(value))
        unscoped = not names or any(map(context.is_text_field, names))
        text = reduce(_words(member(value, key)), context, unscoped)
        if text:
            yield QueryText(text, names)

    return clause


def model_text(key: str) -> Clause:
    """Make a clause of the form `{key: text, field: name}` whose text a model reads, whatever the field's kind."""

    def clause(value: Any, context: Context) -> Iterator[QueryText]:
        name = _words(member(value, "field"))
        yield QueryText(_words(member(value, key)), (name,) if context.certain(name) else ())

    return clause


def more_like_this(value: Any, context: Context) -> Iterator[QueryText]:
    """Read the texts to compare with, and those of artificial documents; an id was typed by nobody."""
    names = tuple(_field_names(value))
    for like in [*listed(member(value, "like")), *listed(member(value, "like_text")), *listed(member(value, "docs"))]:
        texts = [like] if isinstance(like, str) and (not names or any(map(context.is_text_field, names))) else []
        for name, inner in items(member(like, "doc")):
            texts += listed(inner) if context.is_text_field(name) and (not names or name in names) else []
        yield QueryText(" ".join(map(_words, texts)), names)


def intervals(value: Any, context: Context) -> Iterator[QueryText]:
    """Read the rules of `{field: rule}`, whose words stand in order."""
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
    """Read one rule of intervals; `all_of` and `any_of` are made of others."""
    for kind, inner in items(rule):
        if kind in _RULES:
            key, reduce = _RULES[kind]
            yield reduce(_words(member(inner, key)))
        elif kind in {"all_of", "any_of"}:
            for part in listed(member(inner, "intervals")):
                yield from _rule_texts(part)


def query_vector(value: Any, _context: Context) -> Iterator[QueryText]:
    """Read the text that the engine makes a vector of: `text_embedding`, or `embedding`, which takes images too."""
    builder = member(value, "query_vector_builder")
    yield QueryText(_words(member(member(builder, "text_embedding"), "model_text")))
    for part in listed(member(member(builder, "embedding"), "input")):
        yield QueryText(_words(member(part, "value") if member(part, "type") == "text" else part))


def span_multi(value: Any, context: Context) -> Iterator[QueryText]:
    """Read the term-level clause under `match`: in a span it stands for one word of several."""
    for name, inner in items(member(value, "match")):
        yield from _IN_SPANS.get(name, no_text)(inner, context)


_IN_SPANS: Mapping[str, Clause] = {
    "prefix": field_value("value", "prefix"),
    "fuzzy": field_value("value"),
    "wildcard": field_value("value", "wildcard", reduce=wildcard_words),
}

query_string = own_value(
    "query",
    lambda text, context, unscoped: lucene_words(text, context.is_text_field, unscoped=unscoped, parses=context.parses),
)
simple_query_string = own_value("query", lambda text, _, unscoped: simple_words(text) if unscoped else "")
kql = own_value(
    "query",
    lambda text, context, unscoped: kql_words(text, context.is_text_field, unscoped=unscoped, parses=context.parses),
)


def _first(inner: Any, keys: tuple[str, ...]) -> Any:
    """Give the value of the first key there is; the short form of a clause is the value itself."""
    if not isinstance(inner, dict):
        return inner
    return next((inner[key] for key in keys if key in inner), None)


def _words(value: Any) -> str:
    """Give a text, or a number as one; nothing for anything else."""
    return str(value)[:MOST_CHARACTERS] if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _field_names(value: Any) -> Iterator[str]:
    """Name the fields of a multi-field clause, without boosts."""
    names = member(value, "fields") or member(value, "default_field")
    for name in listed(names):
        if isinstance(name, str):
            yield name.partition("^")[0]
