"""The search body of the application, with placeholders for the query."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from es_rerank.evaluation.source import InputError, read
from es_rerank.evaluation.values import Query

_PLACEHOLDER = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")
_QUERY = "query"
# Searches the fields, with the boosts, of the setting `index.query.default_field`; by default, all fields.
_DEFAULT = {"query": {"multi_match": {"query": "{{query}}"}}}


@dataclass(frozen=True, slots=True)
class Template:
    """A search body whose strings have the placeholder `{{query}}`, or `{{name}}` for another field of the query."""

    body: Mapping[str, Any]
    name: str = "the default template"

    def search(self, query: Query, size: int) -> dict[str, Any]:
        """Return the search body for a query, which requests the first *size* hits.

        Raises:
            InputError: If the query lacks a field that the template names.

        """
        values = {**query.fields, _QUERY: query.text}
        missing = next((name for name in _placeholders(self.body) if name not in values), None)
        if missing:
            raise InputError(f"{self.name}: {{{{{missing}}}}}: the query {query.id!r} has no such field")
        body: dict[str, Any] = _filled(self.body, values)
        return {**body, "from": 0, "size": size}


def read_template(path: Path | None) -> Template:
    """Return the template in a JSON file. If *path* is None, return a `multi_match` query in the default fields.

    Raises:
        InputError: If the file is not a JSON object, or has no `{{query}}`.

    """
    if path is None:
        return Template(_DEFAULT)
    source = read(path)
    body = source.json()
    if not isinstance(body, dict):
        raise source.error(1, "must be a JSON object, the body of a search")
    if _QUERY not in _placeholders(body):
        raise source.error(None, "no string has the placeholder {{query}}")
    return Template(body, str(path))


def _placeholders(value: Any) -> Iterator[str]:
    """Yield the names of the placeholders in all strings of a JSON value."""
    match value:
        case str():
            yield from _PLACEHOLDER.findall(value)
        case dict():
            for one in value.values():
                yield from _placeholders(one)
        case list():
            for one in value:
                yield from _placeholders(one)


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """Return a JSON value in which the placeholders of all strings are replaced with *values*."""
    match value:
        case str():
            return _PLACEHOLDER.sub(lambda found: values[found[1]], value)
        case dict():
            return {name: _filled(one, values) for name, one in value.items()}
        case list():
            return [_filled(one, values) for one in value]
    return value
