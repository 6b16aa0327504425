"""The values that a query is read into: words with their fields, the context of a clause, and helpers for JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

# Mapping types that hold words. A clause on any other known type is a filter.
TEXT_KINDS = frozenset(
    {"text", "match_only_text", "pattern_text", "search_as_you_type", "annotated_text", "semantic_text", "semantic"}
)
_METADATA = frozenset({"_id", "_index", "_type", "_routing", "_ignored", "_tier"})
_CODES = (".keyword", ".raw")
# No person types that many characters, and no model reads them as a query.
MOST_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class QueryText:
    """Words found in one clause, and the fields they were searched in (boosts and wildcards as written).

    `exact`: they stand in a term-level clause, which is a filter wherever a full-text clause stands beside it.
    """

    text: str
    fields: tuple[str, ...] = ()
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """Where a clause stands: the mapping's field kinds, and whether it is one of several that share the score.

    `mapping_unknown`: a field of unknown type may hold words for a term-level clause too. `parses`: query languages are
    parsed, which is slow; otherwise only their operators are removed.
    """

    field_types: Mapping[str, str] = field(default_factory=dict)
    affects_ranking: bool = False
    mapping_unknown: bool = False
    parses: bool = True

    def is_text_field(self, name: str) -> bool:
        """Tell whether a field holds words rather than codes, numbers or dates; unknown names are taken as text."""
        kind = self.field_types.get(name)
        if kind is None:
            return name not in _METADATA and not name.endswith(_CODES)
        return kind in TEXT_KINDS

    def certain(self, name: str) -> bool:
        """Tell whether the mapping says that a field holds words."""
        return (self.mapping_unknown or name in self.field_types) and self.is_text_field(name)

    def among(self, count: int) -> Context:
        """Give the context of *count* clauses that share the score."""
        return replace(self, affects_ranking=True) if count > 1 and not self.affects_ranking else self


Clause = Callable[[Any, Context], Iterator[QueryText]]


def items(value: Any) -> Iterator[tuple[str, Any]]:
    """Iterate over the members of an object, and over nothing for anything else."""
    return iter(value.items() if isinstance(value, dict) else ())


def member(value: Any, key: str) -> Any:
    """Give a member of an object; None for anything else."""
    return value.get(key) if isinstance(value, dict) else None


def listed(value: Any) -> list[Any]:
    """Make a list of what may be one or many; None is none."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]
