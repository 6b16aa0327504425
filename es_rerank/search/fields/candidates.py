"""Lists the fields that the model may read, by the mapping and by the fields in the query."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import translate

from es_rerank.model import IndexInfo, Search
from es_rerank.search.fields.names import Role, read_name
from es_rerank.search.query_text.terms import TEXT_KINDS, QueryText, items, listed, member

# Types of fields whose values are strings. If one of these fields has a text multi-field, its values are texts.
_STRING_KINDS = frozenset({"keyword", "wildcard", "constant_keyword", "icu_collation_keyword", "completion"})
_OBJECT_KINDS = frozenset({"object", "nested", "passthrough"})
_KEYWORD_SUFFIXES = (".keyword", ".raw")
# Each candidate is requested from the engine, and extracted from every hit of the window.
MAX_CANDIDATES = 40
# Fields with labels are candidates only if there are fewer candidates with texts than this.
_MIN_TEXTS = 8
# Maximum number of comparisons of a pattern with a field name, to limit the time.
_MAX_COMPARISONS = 20_000
_MEMO = "text_fields"


def candidates(info: IndexInfo, named: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the text fields that the model may read, and the fields among them that the query names.

    The fields are in this order: headlines, fields that the query names, other texts, labels. The order depends on the
    names and types of the fields, not on their order in the mapping. `choose` may change it by the documents found.

    Args:
        info: The mapping.
        named: Names or patterns of the fields that the query searches or highlights. The pattern `*` alone
            names no field.

    """
    names = text_fields(info)
    found = _named(names, tuple(dict.fromkeys(named)))

    def place(name: str) -> tuple[bool, bool]:
        return read_name(name).role is not Role.HEADLINE, name not in found

    ordered = sorted(names, key=place) if found else names
    texts = [name for name in ordered if name in found or not _is_label(name)]
    labels = [name for name in ordered if name not in found and _is_label(name)]
    kept = [*texts, *labels[: max(0, _MIN_TEXTS - len(texts))]][:MAX_CANDIDATES]
    return tuple(kept), tuple(name for name in kept if name in found)


def names_in(search: Search, query_texts: Iterable[QueryText]) -> Iterator[str]:
    """Yield the names and patterns of the fields that a search queries and highlights."""
    for text in query_texts:
        yield from text.fields
    for fields in listed(member(search.body.values.get("highlight"), "fields")):
        yield from (name for name, _ in items(fields))


def text_fields(info: IndexInfo) -> tuple[str, ...]:
    """Return all fields that contain text, sorted by the kind of content (see `Role`). Computed once per mapping."""
    found: tuple[str, ...]
    types, found = info.memo.get(_MEMO, (None, ()))
    # A copy of an `IndexInfo` with other field types shares the memo.
    if types is not info.field_types:
        types = info.field_types
        names = {_holder(name, types) for name, kind in types.items() if kind in TEXT_KINDS} - {""}
        found = tuple(sorted(names, key=lambda name: _order(name, types)))
        info.memo[_MEMO] = types, found
    return found


def _is_label(name: str) -> bool:
    """Return whether, by its name, a field contains a label, or the name of something other than the document."""
    read = read_name(name)
    return read.role is Role.LABEL or (read.role is Role.NAME and read.depth > 0)


def _holder(name: str, types: Mapping[str, str]) -> str:
    """Return the field whose value a text field indexes: itself or its parent; empty if the parent is no string."""
    parent = name.rpartition(".")[0]
    kind = types.get(parent, "object")
    if kind in _OBJECT_KINDS:
        return name
    return parent if kind in TEXT_KINDS or kind in _STRING_KINDS else ""


def _order(name: str, types: Mapping[str, str]) -> tuple[int, int, int, bool, str]:
    """Return the sort key of a field. Of equally good names, a field without a keyword multi-field comes first."""
    read = read_name(name)
    has_keyword = any(f"{name}{suffix}" in types for suffix in _KEYWORD_SUFFIXES)
    return read.role, read.depth, read.rank, has_keyword, name


def _named(names: Sequence[str], patterns: Sequence[str]) -> frozenset[str]:
    """Return the fields that *patterns* name: by the field's name, by the name of a multi-field, or with a wildcard."""
    exact = {pattern for pattern in patterns if "*" not in pattern}
    exact |= {pattern.rpartition(".")[0] for pattern in exact}
    wild = [pattern for pattern in patterns if pattern.strip("*") and "*" in pattern]
    found = exact.intersection(names)
    if wild and len(wild) * len(names) <= _MAX_COMPARISONS:
        matches = re.compile("|".join(map(_regex, wild))).match
        found |= {name for name in names if matches(name)}
    return frozenset(found)


def _regex(pattern: str) -> str:
    """Return the regular expression for a pattern in which only `*` is a wildcard."""
    return translate(pattern.replace("[", "[[]").replace("?", "[?]"))
