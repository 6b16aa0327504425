"""Checks whether a search requests the complete `_source`, a part of it, or none.

Format: "Source filtering" in the search API of Elasticsearch and OpenSearch. A URL parameter replaces the body's value.
"""

from __future__ import annotations

from typing import Any

from es_rerank.model import Search

_INCLUDES = ("includes", "include")
_EXCLUDES = ("excludes", "exclude")
# An empty list of inclusions means that all fields are included.
_ALL: tuple[Any, ...] = (None, [], "*", ["*"])
_NOTHING: tuple[Any, ...] = (None, [])


def requests_whole_source(search: Search) -> bool:
    """Return whether a search explicitly requests the complete `_source` of its hits."""
    given = {name: value for name, value in search.params.items() if name.startswith("_source")}
    if given:
        return given.pop("_source", "*") in {"true", "*"} and all(
            value == "*" and name in {"_source_includes", "_source_include"} for name, value in given.items()
        )
    source = search.body.values.get("_source")
    if isinstance(source, dict):
        return source.keys() <= {*_INCLUDES, *_EXCLUDES} and (
            all(source.get(name) in _ALL for name in _INCLUDES)
            and all(source.get(name) in _NOTHING for name in _EXCLUDES)
        )
    return source is True or source in ("*", ["*"], [])
