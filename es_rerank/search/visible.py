"""Determines the fields that the hits of a response contain, and whether an index is hidden."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from es_rerank.model import Search
from es_rerank.search.index_names import names_of
from es_rerank.search.passages import SOURCE_FILTERS, is_covered, requested_fields


def is_hidden(name: str) -> bool:
    """Return whether an index is hidden: its name, or that of its data stream, starts with a dot."""
    return names_of(name)[-1].rpartition(":")[2].startswith(".")


def visible_fields(search: Search, fields: Iterable[str]) -> tuple[str, ...]:
    """Return the fields whose values the hits of a search contain, according to its `_source` filters and `fields`."""
    if any(name in search.params or name in search.body.values for name in ("stored_fields", "script_fields")):
        # Hits then have no `_source` unless it is requested explicitly.
        has_source = any(name in search.params or name in search.body.values for name in SOURCE_FILTERS)
    else:
        has_source = True
    includes, excludes = _source_filter(search)
    requested = requested_fields(search)
    return tuple(
        name for name in fields if is_covered(name, requested) or (has_source and _passes(name, includes, excludes))
    )


def readable_fields(
    search: Search, fields: tuple[str, ...], named: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the fields of the mapping that the model may read, and the fields among them that the search names.

    For a search template, these are only fields that the hits in its response contain. Otherwise, the order of the hits
    would reveal something about the content of other fields.

    Args:
        search: The search.
        fields: The fields chosen by the mapping.
        named: The fields among *fields* that the search names.

    """
    if not search.from_template:
        return fields, named
    return visible_fields(search, fields), visible_fields(search, named)


def _passes(name: str, includes: Sequence[str] | None, excludes: Sequence[str]) -> bool:
    """Return whether `_source` filters keep a field. A pattern also applies to the fields in an object."""
    parts = name.split(".")
    paths = [".".join(parts[:size]) for size in range(1, len(parts) + 1)]
    included = includes is None or any(is_covered(path, includes) for path in paths)
    return included and not any(is_covered(path, excludes) for path in paths)


def _source_filter(search: Search) -> tuple[Sequence[str] | None, Sequence[str]]:
    """Return the patterns that `_source` includes (None means all fields) and excludes; parameters take precedence."""
    value: Any = search.params.get("_source", search.body.values.get("_source", True))
    parts = value if isinstance(value, dict) else {}
    listed = _names(parts, "includes", "include") or None
    if not isinstance(value, dict) and value not in (True, "true", ""):
        listed = _split(value)
    includes = _names(search.params, "_source_includes", "_source_include") or listed
    excludes = (*_names(parts, "excludes", "exclude"), *_names(search.params, "_source_excludes", "_source_exclude"))
    return includes, excludes


def _names(values: Any, *members: str) -> tuple[str, ...]:
    """Return the field patterns in these members of an object or URL parameters."""
    return tuple(name for member in members for name in _split(values.get(member)))


def _split(value: Any) -> tuple[str, ...]:
    """Return the field patterns in a list or a comma-separated text; empty for any other value, such as false."""
    listed = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    return tuple(one for one in listed if isinstance(one, str) and one not in {"", "false"})
