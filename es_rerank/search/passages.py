"""Builds the passage text of each hit for the model, and chooses the fields that the engine must return for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from es_rerank.model import IndexInfo, Rule, Search
from es_rerank.search.query_text.terms import TEXT_KINDS, QueryText

# Field names that usually contain a title. The model reads title fields before long body fields.
_HEADLINE = re.compile(
    r"(^|[._-])(title|name|subject|heading|headline|question|summary)($|[._-])|(title|name)$", re.IGNORECASE
)
_PLACEHOLDER = re.compile(r"\{([^{}\s]+)\}")
_MAX_FIELDS = 8
SOURCE_FILTERS = ("_source", "_source_includes", "_source_excludes", "_source_include", "_source_exclude")


def choose_fields(rule: Rule, info: IndexInfo, query_texts: Sequence[QueryText]) -> tuple[str, ...]:
    """Return the fields that the model reads, best first: the rule's fields, or text fields of the mapping.

    Fields that the query searches come before other fields, and title fields before body fields.
    """
    if rule.fields:
        return rule.fields
    types = info.field_types
    patterns = tuple(name for text in query_texts for name in text.fields)
    names = [name for name, kind in types.items() if kind in TEXT_KINDS and not _is_multi_field(name, types)]
    names.sort(key=lambda name: (not _is_searched(name, patterns), not _HEADLINE.search(name)))
    return tuple(names[:_MAX_FIELDS])


def extra_fields(search: Search, fields: Sequence[str]) -> tuple[str, ...]:
    """Return the fields to request in addition to the client's; none if its hits contain the complete `_source`."""
    source_is_filtered = search.body.values.get("_source", True) is not True or any(
        name in search.params for name in SOURCE_FILTERS
    )
    # With either of these, hits have no `_source` unless it is requested explicitly.
    source_is_replaced = any(
        name in search.params or name in search.body.values for name in ("stored_fields", "script_fields")
    )
    if not (source_is_filtered or source_is_replaced):
        return ()
    # Fields that the client also requested are not added, because they would then be removed from its response.
    client_fields = requested_fields(search)
    return tuple(name for name in fields if not is_covered(name, client_fields))


def requested_fields(search: Search) -> tuple[str, ...]:
    """Return the field patterns of all request parts whose values are returned in the `fields` of a hit."""
    parts = ("fields", "docvalue_fields", "stored_fields")
    named = [name for part in parts for name in _patterns(search.body.values.get(part))]
    named += [name for part in parts for name in search.params.get(part, "").split(",") if name]
    scripts = search.body.values.get("script_fields")
    return tuple(named) + (tuple(scripts) if isinstance(scripts, dict) else ())


def is_covered(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a field matches one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def passages(
    sources: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]], rule: Rule, fields: Sequence[str]
) -> list[str | None]:
    """Build the passage of each hit.

    With a template, each line whose placeholders are all empty is omitted. Without one, each field's text is a line.

    Args:
        sources: The decoded `_source` and `fields` of each hit.
        rule: Source of the template.
        fields: The fields that the model reads, best first.

    Returns:
        One text per hit; None for a hit without text.

    """
    return [_passage(source, flat, rule.template, fields) for source, flat in sources]


def placeholders(template: str) -> tuple[str, ...]:
    """Return the field names in a template."""
    return tuple(_PLACEHOLDER.findall(template))


def _passage(
    source: Mapping[str, Any], flat: Mapping[str, Any], template: str | None, fields: Sequence[str]
) -> str | None:
    """Build the passage of one hit."""
    texts = {name: _field_text(source, flat, name) for name in fields}
    lines = _filled(template, texts) if template else texts.values()
    return "\n".join(line for line in lines if line) or None


def _field_text(source: Mapping[str, Any], flat: Mapping[str, Any], name: str) -> str:
    """Return the text of one field. A multi-field gets its parent's text if `_source` has no value for it.

    Elasticsearch returns nested `fields` as arrays of objects, like those in `_source`.
    """
    if name in flat:
        return _text(flat[name])
    if "." not in name and isinstance(source.get(name), str):
        return str(source[name]).strip()
    path = name.split(".")
    return (
        _text(_value(flat, path))
        or _text(_value(source, path))
        or _text(_value(source, path[:-1]) if path[1:] else None)
    )


def _filled(template: str, texts: Mapping[str, str]) -> Iterator[str]:
    """Fill the template line by line."""
    for line in template.splitlines():
        names = _PLACEHOLDER.findall(line)
        if not names or any(texts.get(name) for name in names):
            yield _PLACEHOLDER.sub(lambda found: texts.get(found.group(1), ""), line)


def _value(value: Any, path: Sequence[str]) -> Any:
    """Return the value at a dotted path through objects and arrays; keys may contain dots themselves."""
    if isinstance(value, list):
        return [_value(element, path) for element in value]
    if not path:
        return value
    if not isinstance(value, Mapping):
        return None
    keys = ((".".join(path[:cut]), path[cut:]) for cut in range(1, len(path) + 1))
    found = [_value(value[key], rest) for key, rest in keys if key in value]
    return found[0] if len(found) == 1 else found


def _text(value: Any) -> str:
    """Join the strings and numbers of a value with spaces."""
    return value.strip() if isinstance(value, str) else " ".join(_leaves(value)).strip()


def _leaves(value: Any) -> Iterator[str]:
    """Yield strings and numbers. Objects in the value of a text field are ignored."""
    if isinstance(value, list):
        for element in value:
            yield from _leaves(element)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _patterns(part: Any) -> Iterator[str]:
    """Yield field names or patterns from entries that are a string or `{"field": pattern}`."""
    for entry in part if isinstance(part, list) else [part]:
        name = entry.get("field") if isinstance(entry, dict) else entry
        if isinstance(name, str):
            yield name


def _is_searched(name: str, patterns: Sequence[str]) -> bool:
    """Return whether the query explicitly searches a field or one of its multi-fields."""
    return any(fnmatchcase(name, pattern) or pattern.startswith(f"{name}.") for pattern in patterns)


def _is_multi_field(name: str, field_types: Mapping[str, str]) -> bool:
    """Return whether a field is a multi-field, which indexes its parent in another way, such as `title.english`."""
    parent = name.rpartition(".")[0]
    return field_types.get(parent, "object") not in {"object", "nested"}
