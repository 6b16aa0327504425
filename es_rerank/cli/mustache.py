"""Renders inline search templates for `es-rerank explain`, with the optional package pystache.

The running endpoint does not use this module, because the engine renders templates.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

import msgspec

from es_rerank.jsonspan import decode


def can_render() -> bool:
    """Return whether pystache (the extra `es-rerank[templates]`) is installed."""
    return importlib.util.find_spec("pystache") is not None


def render(template: bytes) -> bytes | None:
    """Return the search that an inline search template renders to. Requires pystache, see `can_render`.

    The engines' Mustache functions `toJson`, `join` and `url` are supported. Values are escaped for JSON strings.

    Args:
        template: The request body of a template search, `{"source": ..., "params": {...}}`.

    Returns:
        The search body, or None if the template is stored in the engine or invalid.

    """
    from pystache.parser import ParsingError  # noqa: PLC0415 - an optional package

    try:
        request = decode(template, dict[str, Any])
        source, params = request.get("source"), request.get("params", {})
        text = source if isinstance(source, str) else msgspec.json.encode(source).decode()
        if source is None or not isinstance(params, dict):
            return None
        return str(_renderer().render(text, {**_sections(params), **params})).encode()
    except (ValueError, ParsingError, RecursionError):
        return None


@cache
def _renderer() -> Any:
    """Return the Mustache renderer."""
    from pystache.renderer import Renderer  # noqa: PLC0415 - an optional package

    return Renderer(escape=_escape, missing_tags="ignore")


def _escape(text: str) -> str:
    """Return a value escaped for use inside a JSON string."""
    return msgspec.json.encode(text)[1:-1].decode()


def _sections(params: Mapping[str, Any]) -> dict[str, Callable[[str], str]]:
    """Return the functions that both engines add to Mustache, by name. Example: `{{#toJson}}name{{/toJson}}`."""
    return {
        "toJson": lambda name: msgspec.json.encode(_value(params, name)).decode(),
        "join": lambda name: ",".join(map(str, _value(params, name) or ())),
        "url": lambda text: quote(str(_renderer().render(text, params)), safe=""),
    }


def _value(params: Mapping[str, Any], name: str) -> Any:
    """Return the value of the parameter with a dotted name, or None if there is no such parameter."""
    value: Any = params
    for part in name.strip().strip("{}").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
