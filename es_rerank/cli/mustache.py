"""Renders an inline search template where no engine is at hand; on the way of a request the engine renders it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from pystache.parser import ParsingError
from pystache.renderer import Renderer


def render(template: bytes) -> bytes | None:
    """Render `{"source": ..., "params": {...}}` into a search body; None for a stored template or one that is broken.

    Format: Mustache with the engines' own sections `toJson`, `join` and `url`; values are escaped for JSON strings.
    """
    try:
        asked = msgspec.json.decode(template, type=dict[str, Any])
        source, params = asked.get("source"), asked.get("params", {})
        text = source if isinstance(source, str) else msgspec.json.encode(source).decode()
        if source is None or not isinstance(params, dict):
            return None
        return str(_RENDERER.render(text, {**_sections(params), **params})).encode()
    except (ValueError, ParsingError, RecursionError):
        return None


def _escaped(text: str) -> str:
    """Escape a value for the inside of a JSON string."""
    return msgspec.json.encode(text)[1:-1].decode()


_RENDERER = Renderer(escape=_escaped, missing_tags="ignore")


def _sections(params: Mapping[str, Any]) -> dict[str, Callable[[str], str]]:
    """Make the engines' own sections, each of which names a parameter."""
    return {
        "toJson": lambda name: msgspec.json.encode(_at(params, name)).decode(),
        "join": lambda name: ",".join(map(str, _at(params, name) or ())),
        "url": lambda text: quote(str(_RENDERER.render(text, params)), safe=""),
    }


def _at(params: Mapping[str, Any], name: str) -> Any:
    """Follow a dotted name."""
    value: Any = params
    for part in name.strip().strip("{}").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
