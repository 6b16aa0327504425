"""The values that a query is read into: texts with their fields, the context of a clause, and helpers for JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

# Field types whose values are analysed text. A clause on a field of any other known type is a filter.
TEXT_KINDS = frozenset(
    {"text", "match_only_text", "pattern_text", "search_as_you_type", "annotated_text", "semantic_text", "semantic"}
)
_METADATA_FIELDS = frozenset({"_id", "_index", "_type", "_routing", "_ignored", "_tier"})
# By convention these subfields index the whole value as one term, whatever the mapping of their parent.
_KEYWORD_SUFFIXES = (".keyword", ".raw")
# No person types a longer query, and no reranker reads one.
MAX_QUERY_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class QueryText:
    """The words of one clause with the fields searched.

    Attributes:
        text: words, without the syntax of a query language.
        fields: names as in the request, without boosts; they may contain wildcards. Empty: the default fields.
        term_level: the clause is a term-level clause, which acts as a filter wherever a full-text clause is present.

    """

    text: str
    fields: tuple[str, ...] = ()
    term_level: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What the reading of a clause depends on besides the clause.

    Attributes:
        field_types: field name -> field type, from the mapping.
        affects_ranking: the clause is one of several whose scores are combined, so that the order of hits depends on
            whether a document matches it.
        mapping_unknown: the mapping has not been fetched, so that any field may turn out to be a text field.
        parse_syntax: parse query languages, which is slow; otherwise only remove their operators.

    """

    field_types: Mapping[str, str] = field(default_factory=dict)
    affects_ranking: bool = False
    mapping_unknown: bool = False
    parse_syntax: bool = True

    def is_text_field(self, name: str) -> bool:
        """Return whether a field holds words rather than codes, numbers or dates.

        A field that is not in the mapping, such as one with a wildcard, counts as text unless its name says otherwise.
        """
        field_type = self.field_types.get(name)
        if field_type is None:
            return name not in _METADATA_FIELDS and not name.endswith(_KEYWORD_SUFFIXES)
        return field_type in TEXT_KINDS

    def is_known_text_field(self, name: str) -> bool:
        """Return whether the mapping says that a field holds words, or may say so once it is known."""
        return (self.mapping_unknown or name in self.field_types) and self.is_text_field(name)

    def one_of(self, count: int) -> Context:
        """Return the context of one of *count* clauses whose scores are combined."""
        return replace(self, affects_ranking=True) if count > 1 and not self.affects_ranking else self


Clause = Callable[[Any, Context], Iterator[QueryText]]
"""Reads the value of one clause. A value of the wrong type has no text: the engine words the error."""


def items(value: Any) -> Iterator[tuple[str, Any]]:
    """Iterate over the members of an object; anything else has none."""
    return iter(value.items() if isinstance(value, dict) else ())


def member(value: Any, key: str) -> Any:
    """Return a member of an object; None if there is none or the value is no object."""
    return value.get(key) if isinstance(value, dict) else None


def listed(value: Any) -> list[Any]:
    """Return a list of a value that may be one element or a list; None is the empty list."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]
