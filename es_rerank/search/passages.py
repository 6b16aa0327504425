"""Builds the text of a hit that the model reads, and says what must be asked of the engine for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from es_rerank.model import IndexInfo, Rule, Search
from es_rerank.search.query_text.terms import TEXT_KINDS, QueryText

# Field names that hold a headline in common schemas; such a field is read before long bodies.
_HEADLINE = re.compile(
    r"(^|[._-])(title|name|subject|heading|headline|question|summary)($|[._-])|(title|name)$", re.IGNORECASE
)
_PLACEHOLDER = re.compile(r"\{([^{}\s]+)\}")
_MOST_FIELDS = 8
SOURCE_FILTERS = ("_source", "_source_includes", "_source_excludes", "_source_include", "_source_exclude")


def choose_fields(rule: Rule, info: IndexInfo, searched: Sequence[QueryText]) -> tuple[str, ...]:
    """Choose the fields to read, best first: the rule's, else the mapping's text fields.

    Of those, the fields that the query searched come before others, and headlines before bodies.
    """
    if rule.fields:
        return rule.fields
    patterns = tuple(name for one in searched for name in one.fields)
    texts = [
        name
        for name, kind in info.field_types.items()
        if kind in TEXT_KINDS and not _multi_field(name, info.field_types)
    ]
    texts.sort(key=lambda name: (not _asked(name, patterns), not _HEADLINE.search(name)))
    return tuple(texts[:_MOST_FIELDS])


def extra_fields(search: Search, fields: Sequence[str]) -> tuple[str, ...]:
    """Name the fields to ask for beside the client's own view of a hit: none if it holds the whole source."""
    filtered = search.body.get("_source", True) is not True or any(name in search.params for name in SOURCE_FILTERS)
    # Both leave the source out of a hit unless it is asked for too.
    instead = any(name in search.params or name in search.body for name in ("stored_fields", "script_fields"))
    if not (filtered or instead):
        return ()
    # What the client names itself cannot be told from what is added, and so not be taken out again.
    asked = requested_fields(search)
    return tuple(name for name in fields if not covered(name, asked))


def requested_fields(search: Search) -> tuple[str, ...]:
    """List the patterns of all request parts whose answer lies in a hit's `fields`."""
    parts = ("fields", "docvalue_fields", "stored_fields")
    named = [name for part in parts for name in _requested(search.body.get(part))]
    named += [name for part in parts for name in search.params.get(part, "").split(",") if name]
    scripts = search.body.get("script_fields")
    return tuple(named) + (tuple(scripts) if isinstance(scripts, dict) else ())


def covered(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether a field is asked for by one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def passage(source: Mapping[str, Any], flat: Mapping[str, Any], rule: Rule, fields: Sequence[str]) -> str | None:
    """Write the text of one hit from its `_source` and its `fields`; None if it has none.

    With a template, a line none of whose placeholders has a text is left out; else the fields' texts stand on
    lines of their own.
    """
    try:
        texts = {name: _read(source, flat, name) for name in fields}
    except RecursionError:  # arrays in arrays, hundreds deep: no text of a person
        return None
    lines = _filled(rule.template, texts) if rule.template else texts.values()
    return "\n".join(line for line in lines if line) or None


def _read(source: Mapping[str, Any], flat: Mapping[str, Any], name: str) -> str:
    """Read one field: Elasticsearch answers for nested `fields` with objects in arrays, as they stand in the source.

    In a source the text of a multi-field is that of its parent.
    """
    if name in flat:
        return _text(flat[name])
    path = name.split(".")
    return _text(_at(flat, path)) or _text(_at(source, path)) or _text(_at(source, path[:-1]) if path[1:] else None)


def _filled(template: str, texts: Mapping[str, str]) -> Iterator[str]:
    """Fill the template line by line."""
    for line in template.splitlines():
        names = _PLACEHOLDER.findall(line)
        if not names or any(texts.get(name) for name in names):
            yield _PLACEHOLDER.sub(lambda found: texts.get(found.group(1), ""), line)


def placeholders(template: str) -> tuple[str, ...]:
    """List the field names of a template."""
    return tuple(_PLACEHOLDER.findall(template))


def _at(value: Any, path: Sequence[str]) -> Any:
    """Follow a dotted path through objects and arrays; keys may hold dots themselves."""
    if isinstance(value, list):
        return [_at(one, path) for one in value]
    if not path:
        return value
    if not isinstance(value, Mapping):
        return None
    keys = ((".".join(path[:cut]), path[cut:]) for cut in range(1, len(path) + 1))
    found = [_at(value[key], rest) for key, rest in keys if key in value]
    return found[0] if len(found) == 1 else found


def _text(value: Any) -> str:
    """Join the strings and numbers of a value with spaces between them."""
    return " ".join(_leaves(value)).strip()


def _leaves(value: Any) -> Iterator[str]:
    """Walk over strings and numbers; objects below a text field are not text."""
    if isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _requested(part: Any) -> Iterator[str]:
    """Read field names or patterns, each a string or `{"field": pattern}`."""
    for one in part if isinstance(part, list) else [part]:
        name = one.get("field") if isinstance(one, dict) else one
        if isinstance(name, str):
            yield name


def _asked(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether the query searched a field, or one of its multi-fields, by name."""
    return any(fnmatchcase(name, pattern) or pattern.startswith(f"{name}.") for pattern in patterns)


def _multi_field(name: str, field_types: Mapping[str, str]) -> bool:
    """Tell whether a field is another way of indexing its parent (`title.english` below `title`)."""
    parent = name.rpartition(".")[0]
    return field_types.get(parent, "object") not in {"object", "nested"}
