"""Builds the text of each hit for the model, and determines which fields the engine must return for the texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from es_rerank.model import Plan, Rule, Search
from es_rerank.search.fields.plain_text import plain_text
from es_rerank.search.fields.reading import labeled, places, read_together
from es_rerank.search.wildcards import matches

_PLACEHOLDER = re.compile(r"\{([^{}\s]+)\}")
SOURCE_FILTERS = ("_source", "_source_includes", "_source_excludes", "_source_include", "_source_exclude")
# Values of `_source` and its URL parameters that select everything.
_EVERYTHING: tuple[Any, ...] = ("true", "*", [], ["*"])
_WHOLE_IN_URL: Mapping[str, tuple[str, ...]] = {
    "_source": ("true", "*"),
    "_source_include": ("", "*"),
    "_source_exclude": ("",),
}
# Request parts whose values are returned in the `fields` of a hit.
_FIELD_PARTS = frozenset({"fields", "docvalue_fields", "stored_fields", "script_fields"})
_SOURCE_KEYS = frozenset({"includes", "include", "excludes", "exclude"})
Sources = Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
"""The decoded `_source` and `fields` of each hit."""


def extra_fields(search: Search, fields: Sequence[str]) -> tuple[str, ...]:
    """Return the fields to request in addition to the client's fields; empty if hits contain the complete `_source`."""
    if _has_whole_source(search):
        return ()
    # Fields that the client also requested are not added, because they would then be removed from its response.
    covered = tuple(_part_patterns(search, "fields"))
    return tuple(name for name in fields if not is_covered(name, covered))


def requested_fields(search: Search) -> tuple[str, ...]:
    """Return the field patterns of all request parts whose values are returned in the `fields` of a hit."""
    if _FIELD_PARTS.isdisjoint(search.body.values) and _FIELD_PARTS.isdisjoint(search.params):
        return ()
    return (*_part_patterns(search, "fields"), *ambiguous_fields(search))


def ambiguous_fields(search: Search) -> tuple[str, ...]:
    """Return the field patterns of the request parts other than `fields` whose values are returned in `fields`.

    These parts rarely return texts, because most text fields are neither stored nor in doc values. If a text field
    is also requested in `fields`, the response does not show which part returned its value.
    """
    scripts = search.body.values.get("script_fields")
    parts = (*_part_patterns(search, "docvalue_fields"), *_part_patterns(search, "stored_fields"))
    return parts + (tuple(scripts) if isinstance(scripts, dict) else ())


def _part_patterns(search: Search, part: str) -> Iterator[str]:
    """Yield the field patterns of one request part, such as `docvalue_fields`, in the body and in the URL."""
    yield from _patterns(search.body.values.get(part))
    yield from (name for name in search.params.get(part, "").split(",") if name)


def _has_whole_source(search: Search) -> bool:
    """Return whether hits contain the complete `_source`."""
    in_url = {name: search.params[name] for name in SOURCE_FILTERS if name in search.params}
    if in_url:
        return all(value in _WHOLE_IN_URL[name.removesuffix("s")] for name, value in in_url.items())
    source = search.body.values.get("_source")
    if source is not None:
        return _is_whole(source)
    # With `stored_fields` or `script_fields`, hits have no `_source` unless it is requested explicitly.
    return not any(name in search.params or name in search.body.values for name in ("stored_fields", "script_fields"))


def _is_whole(source: Any) -> bool:
    """Return whether a `_source` member selects everything: `true`, `*`, or no exclusion and no other inclusion."""
    if isinstance(source, dict):
        selected = [source.get(name) or [] for name in ("includes", "include")]
        return (
            source.keys() <= _SOURCE_KEYS
            and not (source.get("excludes") or source.get("exclude"))
            and all(names in _EVERYTHING for names in selected)
        )
    return source is True or source in _EVERYTHING


def is_covered(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a field matches one of the patterns."""
    return any(matches(name, pattern) for pattern in patterns)


def passages(
    sources: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]], rule: Rule, fields: Sequence[str]
) -> list[str | None]:
    """Build the passage of each hit.

    With a template, each line whose placeholders are all empty is omitted. Without one, each field's text is a line.

    Args:
        sources: The decoded `_source` and `fields` of each hit.
        rule: The rule, which has the template and whether texts are labeled.
        fields: The fields that the model reads, best first.

    Returns:
        One text per hit; None for a hit without text.

    """
    return [_passage(source, flat, rule, fields) for source, flat in sources]


def planned_passages(sources: Sources, plan: Plan) -> tuple[list[str | None], tuple[str, ...]]:
    """Build the passage of each hit of a window.

    Args:
        sources: The decoded `_source` and `fields` of each hit.
        plan: The plan, which has the fields that the model reads, or the candidate fields to choose from.

    Returns:
        One text per hit, None for a hit without text; and the fields that were read, in order.

    """
    fields = plan.passage_fields
    if not plan.chooses_fields:
        return passages(sources, plan.rule, fields), fields
    columns = columns_of(sources, fields)
    chosen = places(columns, plan.named_fields, plan.text)
    if len(chosen) == len(columns) == 1:
        # A single text has no label, and there is no other text that it could repeat.
        (column,) = columns.values()
        return [text or None for text in column], fields
    texts = [read_together(columns, chosen, at, labels=plan.rule.labels) for at in range(len(sources))]
    return texts, tuple(name for place in chosen for name in place)


def columns_of(sources: Sources, fields: Sequence[str]) -> dict[str, list[str]]:
    """Return, for each field, its text in each document, which is empty if the document has no value."""
    return {name: _column(sources, name) for name in fields}


def placeholders(template: str) -> tuple[str, ...]:
    """Return the field names in the placeholders of a template."""
    return tuple(_PLACEHOLDER.findall(template))


def _passage(source: Mapping[str, Any], flat: Mapping[str, Any], rule: Rule, fields: Sequence[str]) -> str | None:
    """Build the passage of one hit."""
    texts = {name: text for name in fields if (text := _field_text(source, flat, name))}
    if rule.template:
        return "\n".join(line for line in _filled(rule.template, texts) if line) or None
    return "\n".join(labeled(list(texts), list(texts.values())) if rule.labels else texts.values()) or None


def _field_text(source: Mapping[str, Any], flat: Mapping[str, Any], name: str) -> str:
    """Return the text of one field. A multi-field gets its parent's text if `_source` has no value for it.

    Elasticsearch returns nested `fields` as arrays of objects, like those in `_source`.
    """
    if name in flat:
        return _text(flat[name])
    path = name.split(".")
    return (
        _text(_value(flat, path))
        or _text(_value(source, path))
        or _text(_value(source, path[:-1]) if path[1:] else None)
    )


def _column(sources: Sources, name: str) -> list[str]:
    """Return the text of one field in each hit."""
    path = name.split(".")
    return [
        plain_text(value).strip()
        if isinstance(value := source.get(name), str) and not flat
        else _text(flat[name])
        if name in flat
        else _direct_text(source, flat, path)
        for source, flat in sources
    ]


def _direct_text(source: Mapping[str, Any], flat: Mapping[str, Any], path: Sequence[str]) -> str:
    """Return the text at a path. Nearly all documents have no dots in their keys, so one lookup per level is enough.

    The result is that of `_field_text`, without the parent's text.
    """
    found: list[str] = []
    if flat or not _collect(source, path, 0, found):
        return _text(_value(flat, path)) or _text(_value(source, path))
    return " ".join(found).strip()


def _collect(value: Any, path: Sequence[str], level: int, found: list[str]) -> bool:
    """Append the texts at a path below *value* to *found*; return False if keys with dots must be searched, too."""
    if isinstance(value, list):
        return sum(_collect(element, path, level, found) for element in value) == len(value)
    if level == len(path):
        found.extend(_leaves(value))
        return True
    if not isinstance(value, dict):
        return True
    inner = value.get(path[level])
    if inner is not None:
        return _collect(inner, path, level + 1, found)
    return level + 1 == len(path) or not any("." in key for key in value)


def _filled(template: str, texts: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a template, filled with the texts, except lines whose placeholders are all empty."""
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
    return plain_text(value).strip() if isinstance(value, str) else " ".join(_leaves(value)).strip()


def _leaves(value: Any) -> Iterator[str]:
    """Yield the strings and numbers in a value, as text. Objects in the value of a text field are ignored."""
    if isinstance(value, list):
        for element in value:
            yield from _leaves(element)
    elif isinstance(value, str):
        yield plain_text(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _patterns(part: Any) -> Iterator[str]:
    """Yield field names or patterns from entries that are a string or `{"field": pattern}`."""
    for entry in part if isinstance(part, list) else [part]:
        name = entry.get("field") if isinstance(entry, dict) else entry
        if isinstance(name, str):
            yield name
