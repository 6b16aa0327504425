"""Reads the field types from a file with index mappings, for use without an engine.

Format: the response to `GET /idx/_mapping`, `{index: {"mappings": {"properties": ...}}}`, or a single object with
`mappings` or `properties`. Elasticsearch 5 to 7 can have mapping types between `mappings` and `properties`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from es_rerank.errors import ConfigError
from es_rerank.jsonspan import decode
from es_rerank.search.query_text.terms import TEXT_KINDS

# Members of `mappings` that can contain `properties` but are not mapping types.
_NOT_MAPPING_TYPES = frozenset({"_meta", "runtime"})


def read(text: bytes) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the index names and the field types in the content of a mapping file.

    Returns:
        The index names (empty if the file names no index), and the type of each field by its dotted path. A field that
        is a text field in one of several indices is returned as a text field.

    Raises:
        ConfigError: If the file is not a mapping. The message names the location of the error.

    """
    try:
        document = decode(text, dict[str, Any])
        unnamed = bool(document.keys() & {"mappings", "properties"})
        if unnamed:
            indices = [_types_of_index(document, "")]
        else:
            indices = [_types_of_index(index, f"{name}: ") for name, index in document.items()]
    except ValueError as error:
        raise ConfigError(f"the mapping is not a JSON object: {error}") from error
    field_types: dict[str, str] = {}
    for name, field_type in (field for fields in indices for field in fields.items()):
        if field_type in TEXT_KINDS or name not in field_types:
            field_types[name] = field_type
    return (() if unnamed else tuple(document)), field_types


def _types_of_index(index: Any, place: str) -> dict[str, str]:
    """Return the field types of one index, with the names that the field capabilities API uses.

    *place* names the index in error messages.
    """
    field_types: dict[str, str] = {}
    # A runtime field shadows a mapped field of the same name.
    for part in ("properties", "runtime"):
        for mapping in _mappings(index, place):
            fields = dict(_fields(_object(mapping, part, place), "", place))
            field_types |= {path: _type(field, fields) for path, field in fields.items()}
    return field_types


def _mappings(index: Any, place: str) -> list[Mapping[str, Any]]:
    """Return the mappings of one index, one per mapping type. Raises ConfigError if there is no mapping."""
    mapping = index.get("mappings", index if "properties" in index else None) if isinstance(index, dict) else None
    if not isinstance(mapping, dict):
        raise ConfigError(f"{place}there is no `mappings` object")
    if "properties" in mapping:
        return [mapping]
    members = [value for name, value in mapping.items() if name not in _NOT_MAPPING_TYPES and isinstance(value, dict)]
    return [member for member in members if "properties" in member] or [mapping]


def _fields(properties: Mapping[str, Any], prefix: str, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the dotted path and the definition of each field, including object subfields and multi-fields."""
    for name, field in properties.items():
        path = prefix + name
        if not isinstance(field, dict) or not isinstance(field.get("type", ""), str):
            raise ConfigError(f"{place}{path}: a field must be an object whose `type` is a string")
        yield path, field
        for part in ("properties", "fields"):
            yield from _fields(_object(field, part, f"{place}{path}: "), f"{path}.", place)


def _object(holder: Mapping[str, Any], name: str, place: str) -> Mapping[str, Any]:
    """Return the object in member *name*; empty if the member is missing. Raises ConfigError if it is not an object."""
    member = holder.get(name, {})
    if not isinstance(member, dict):
        raise ConfigError(f"{place}`{name}` is not an object")
    return member


def _type(field: Mapping[str, Any], fields: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a field's type. An alias has the type of its target, if the target exists."""
    target = fields.get(str(field.get("path")), field) if field.get("type") == "alias" else field
    field_type = str(target.get("type", "object"))
    return "object" if field_type == "passthrough" else field_type
