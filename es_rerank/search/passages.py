"""Builds the text of a hit that the model reads, and names the fields that the engine must return for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from es_rerank.model import IndexInfo, Rule, Search
from es_rerank.search.query_text.terms import TEXT_KINDS, QueryText

# Field names that hold a headline in common schemas; such a field is read before long bodies.
_HEADLINE = re.compile(
    r"(^|[._-])(title|name|subject|heading|headline|question|summary)($|[._-])|(title|name)$", re.IGNORECASE
)
_PLACEHOLDER = re.compile(r"\{([^{}\s]+)\}")
_MAX_FIELDS = 8
SOURCE_FILTERS = ("_source", "_source_includes", "_source_excludes", "_source_include", "_source_exclude")


def choose_fields(rule: Rule, info: IndexInfo, query_texts: Sequence[QueryText]) -> tuple[str, ...]:
    """Choose the fields that the model reads, best first: those of the rule, otherwise text fields of the mapping.

    Fields that the query searched come before others, and headlines before bodies.
    """
    if rule.fields:
        return rule.fields
    types = info.field_types
    patterns = tuple(name for text in query_texts for name in text.fields)
    names = [name for name, kind in types.items() if kind in TEXT_KINDS and not _is_multi_field(name, types)]
    names.sort(key=lambda name: (not _is_searched(name, patterns), not _HEADLINE.search(name)))
    return tuple(names[:_MAX_FIELDS])


def extra_fields(search: Search, fields: Sequence[str]) -> tuple[str, ...]:
    """Name the fields to request in addition to the client's own; none if its hits hold the whole source."""
    source_is_filtered = search.body.values.get("_source", True) is not True or any(
        name in search.params for name in SOURCE_FILTERS
    )
    # Both leave the source out of a hit unless it is asked for too.
    source_is_replaced = any(
        name in search.params or name in search.body.values for name in ("stored_fields", "script_fields")
    )
    if not (source_is_filtered or source_is_replaced):
        return ()
    # A field that the client names itself cannot be told from an added one, so it could not be removed again.
    client_fields = requested_fields(search)
    return tuple(name for name in fields if not is_covered(name, client_fields))


def requested_fields(search: Search) -> tuple[str, ...]:
    """List the field patterns of all request parts whose values the engine returns in a hit's `fields`."""
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

    With a template, a line is left out if none of its placeholders has a text; otherwise each field's text is a line.

    Args:
        sources: `_source` and `fields` of each hit, decoded.
        rule: Gives the template.
        fields: The fields that the model reads, best first.

    Returns:
        One text per hit; None for a hit without text.

    """
    return [_passage(source, flat, rule.template, fields) for source, flat in sources]


def placeholders(template: str) -> tuple[str, ...]:
    """List the field names of a template."""
    return tuple(_PLACEHOLDER.findall(template))


def _passage(
    source: Mapping[str, Any], flat: Mapping[str, Any], template: str | None, fields: Sequence[str]
) -> str | None:
    """Build the passage of one hit."""
    try:
        texts = {name: _field_text(source, flat, name) for name in fields}
    except RecursionError:  # arrays nested hundreds deep are no text
        return None
    lines = _filled(template, texts) if template else texts.values()
    return "\n".join(line for line in lines if line) or None


def _field_text(source: Mapping[str, Any], flat: Mapping[str, Any], name: str) -> str:
    """Return the text of one field; a multi-field has that of its parent in the source.

    Elasticsearch returns nested `fields` as objects in arrays, like those of the source.
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
    """Follow a dotted path through objects and arrays; keys may contain dots themselves."""
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
    """Yield strings and numbers; objects below a text field are no text."""
    if isinstance(value, list):
        for element in value:
            yield from _leaves(element)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _patterns(part: Any) -> Iterator[str]:
    """Yield field names or patterns, each a string or `{"field": pattern}`."""
    for entry in part if isinstance(part, list) else [part]:
        name = entry.get("field") if isinstance(entry, dict) else entry
        if isinstance(name, str):
            yield name


def _is_searched(name: str, patterns: Sequence[str]) -> bool:
    """Return whether the query searched a field, or one of its multi-fields, by name."""
    return any(fnmatchcase(name, pattern) or pattern.startswith(f"{name}.") for pattern in patterns)


def _is_multi_field(name: str, field_types: Mapping[str, str]) -> bool:
    """Return whether a field indexes its parent in another way, as `title.english` does with `title`."""
    parent = name.rpartition(".")[0]
    return field_types.get(parent, "object") not in {"object", "nested"}
