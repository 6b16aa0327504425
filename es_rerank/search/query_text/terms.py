"""The result of reading a query (texts with their fields), the context of a clause, and helpers for decoded JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from es_rerank.model import DEFAULT_BUDGET
from es_rerank.search.fields.names import names_filter

# Field types for text. A clause on a field of any other known type is considered a filter.
TEXT_KINDS = frozenset(
    {"text", "match_only_text", "pattern_text", "search_as_you_type", "annotated_text", "semantic_text", "semantic"}
)
_STRING_KINDS = TEXT_KINDS | {"keyword", "wildcard"}
_METADATA_FIELDS = frozenset({"_id", "_index", "_type", "_routing", "_ignored", "_tier"})
# By convention, multi-fields with these names index the whole value as a single term.
_KEYWORD_SUFFIXES = (".keyword", ".raw")
# Users do not type longer queries, and rerank models do not read them.
MAX_QUERY_CHARACTERS = 20_000
# Longer texts in a query language are usually generated.
MAX_PARSED_CHARACTERS = 2000
_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class QueryText:
    """The words of one clause and the fields that it searches.

    Attributes:
        text: The words, without query syntax.
        fields: Field names as in the request, without boosts; may contain wildcards. Empty means the default fields.
        term_level: Whether the words come from a term-level clause. Such words are ignored if the search has a
            full-text clause.

    """

    text: str
    fields: tuple[str, ...] = ()
    term_level: bool = False


class TextMeter:
    """Limits how much text is read and parsed for one search. State: the characters and tokens left for its clauses."""

    def __init__(self, tokens: int = DEFAULT_BUDGET.syntax_tokens) -> None:
        """Allow this number of tokens in texts with a query syntax."""
        self._tokens = tokens
        self._characters = 2 * MAX_QUERY_CHARACTERS

    def take(self, text: str) -> str:
        """Return a text, truncated to the remaining number of characters, and subtract its length from this number."""
        text = text[: self._characters]
        self._characters -= len(text)
        return text

    def parses(self, text: str) -> bool:
        """Return whether a text with a query syntax may be parsed. Parsing takes about 50 microseconds per token."""
        tokens = sum(1 for _ in _TOKEN.finditer(text)) if len(text) <= MAX_PARSED_CHARACTERS else self._tokens + 1
        if tokens > self._tokens:
            return False
        self._tokens -= tokens
        return True


@dataclass(frozen=True, slots=True)
class Context:
    """The context in which a clause is read.

    Attributes:
        field_types: Field name -> field type, from the mapping.
        affects_ranking: Whether the score of the clause is combined with the scores of others. If it is, even a clause
            with a constant score affects the order of the hits, because only some of them match it.
        mapping_unknown: Whether the mapping is not known yet, so that any field may be a text field.
        meter: Limits the text that is read and parsed for all clauses of the search together.
        wrappers: Number of `wrapper` queries around the clause. Each of them has a JSON text of its own, which may be
            as deep as the search body, so their number is limited.

    """

    field_types: Mapping[str, str] = field(default_factory=dict)
    affects_ranking: bool = False
    mapping_unknown: bool = False
    meter: TextMeter = field(default_factory=TextMeter, compare=False)
    wrappers: int = 0

    def is_text_field(self, name: str) -> bool:
        """Return whether a field contains text rather than codes, numbers or dates.

        A field that is not in the mapping, such as a wildcard pattern, is considered a text field, except metadata
        fields and names that end in `.keyword` or `.raw`. A text field with the name of a filter, such as `status`, is
        considered a filter, because dynamic mapping makes every string a `text` field.
        """
        parent = name.rpartition(".")[0]
        if names_filter(parent if self.field_types.get(parent, "object") in _STRING_KINDS else name):
            return False
        field_type = self.field_types.get(name)
        if field_type is None:
            return name not in _METADATA_FIELDS and not name.endswith(_KEYWORD_SUFFIXES)
        return field_type in TEXT_KINDS

    def is_known_text_field(self, name: str) -> bool:
        """Return whether a field is a text field in the mapping, or may be one if the mapping is not known yet."""
        return (self.mapping_unknown or name in self.field_types) and self.is_text_field(name)

    def one_of(self, count: int) -> Context:
        """Return the context for one of *count* clauses whose scores are combined."""
        return replace(self, affects_ranking=True) if count > 1 and not self.affects_ranking else self


Clause = Callable[[Any, Context], Iterator[QueryText]]
"""Yields the query texts in the value of one clause. An invalid value has no text; the engine returns its own error."""


def items(value: Any) -> Iterator[tuple[str, Any]]:
    """Return an iterator over the members of an object; empty for any other value."""
    return iter(value.items() if isinstance(value, dict) else ())


def member(value: Any, key: str) -> Any:
    """Return a member of an object; None if it is missing or the value is not an object."""
    return value.get(key) if isinstance(value, dict) else None


def listed(value: Any) -> list[Any]:
    """Convert a value to a list: a single element becomes a list of one element, and None an empty list."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]
