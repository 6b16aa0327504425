"""Reads an index mapping from a file that stands in for an engine.

Format: the answer of `GET /idx/_mapping`, `{index: {"mappings": {"properties": ...}}}` (with types between where
Elasticsearch 5 to 7 write them), or only a part of it from `mappings` or `properties` on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from es_rerank.errors import ConfigError
from es_rerank.search.query_text.terms import TEXT_KINDS

# Members of a mapping that may have a member `properties` themselves and yet are no types.
_NO_TYPES = frozenset({"_meta", "runtime"})


def read(text: bytes) -> tuple[tuple[str, ...], dict[str, str]]:
    """Give the names of the indices (none if the file names none) and the kind of each field by its dotted path.

    A field that is text in one of several indices is text. Raises ConfigError with a sentence that names the place.
    """
    try:
        whole = msgspec.json.decode(text, type=dict[str, Any])
        alone = bool(whole.keys() & {"mappings", "properties"})
        found = [_kinds(whole, "")] if alone else [_kinds(one, f"{name}: ") for name, one in whole.items()]
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the mapping is no JSON object: {error}") from error
    field_types: dict[str, str] = {}
    for name, kind in (field for one in found for field in one.items()):
        if kind in TEXT_KINDS or name not in field_types:
            field_types[name] = kind
    return (() if alone else tuple(whole)), field_types


def _kinds(index: Any, place: str) -> dict[str, str]:
    """Give the kinds of one index's fields, as the engine's field capabilities say them."""
    field_types: dict[str, str] = {}
    # A runtime field stands above a field of its name.
    for part in ("properties", "runtime"):
        for mapping in _mappings(index, place):
            fields = dict(_fields(_object(mapping, part, place), "", place))
            field_types |= {path: _kind(field, fields) for path, field in fields.items()}
    return field_types


def _mappings(index: Any, place: str) -> list[Mapping[str, Any]]:
    """Find the mapping of one index, or those of its types. Raises ConfigError if there is none."""
    found = index.get("mappings", index if "properties" in index else None) if isinstance(index, dict) else None
    if not isinstance(found, dict):
        raise ConfigError(f"{place}there is no `mappings` with an object")
    if "properties" in found:
        return [found]
    members = [one for name, one in found.items() if name not in _NO_TYPES and isinstance(one, dict)]
    return [one for one in members if "properties" in one] or [found]


def _fields(properties: Mapping[str, Any], above: str, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """List the fields with their dotted paths, multi-fields as if they stood below their field."""
    for name, field in properties.items():
        path = above + name
        if not isinstance(field, dict) or not isinstance(field.get("type", ""), str):
            raise ConfigError(f"{place}{path}: a field is an object whose `type` is a text")
        yield path, field
        for part in ("properties", "fields"):
            yield from _fields(_object(field, part, f"{place}{path}: "), f"{path}.", place)


def _object(holder: Mapping[str, Any], name: str, place: str) -> Mapping[str, Any]:
    """Give a member that is an object; an empty one if it is missing. Raises ConfigError for anything else."""
    found = holder.get(name, {})
    if not isinstance(found, dict):
        raise ConfigError(f"{place}`{name}` is no object")
    return found


def _kind(field: Mapping[str, Any], fields: Mapping[str, Mapping[str, Any]]) -> str:
    """Name the kind of a field: of an alias, that of the field it stands for if there is one."""
    meant = fields.get(str(field.get("path")), field) if field.get("type") == "alias" else field
    kind = str(meant.get("type", "object"))
    return "object" if kind == "passthrough" else kind
