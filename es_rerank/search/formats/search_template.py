"""Search templates: the engine renders them, and what comes of it is a search like any other."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from es_rerank.jsonspan import members
from es_rerank.search.formats.endpoints import INDEX_OPTIONS

# What a template request says of the search beside its body; it stands above the body.
_SWITCHES = ("explain", "profile")
_TRUE = frozenset({b"true", b'"true"'})
# What the URL of a template request says of the request. What it says of the search, the rendered one replaces.
_OF_THE_REQUEST = INDEX_OPTIONS | {"filter_path", "scroll", "search_pipeline"}


def said(params: Mapping[str, str]) -> dict[str, str]:
    """Keep the URL parameters that count beside a rendered search."""
    return {name: value for name, value in params.items() if name in _OF_THE_REQUEST}


def inline(search: bytes) -> bytes:
    """Write a template request that renders to this search body, whatever stands in it.

    The text of the template is always the same, so that the engine compiles it once.
    """
    parts = msgspec.json.decode(search, type=dict[str, Raw])
    beside = {name: parts[name] for name in _SWITCHES if name in parts}
    return msgspec.json.encode({"source": "{{{search}}}", "params": {"search": search.decode()}, **beside})


def rendered(answer: bytes, template: bytes) -> bytes | None:
    """Give the search body out of the answer of `_render/template`, as the bytes it came in; None for any other answer.

    `explain` and `profile` are what the template request says, whatever they are in the body: the engines do so.
    """
    try:
        found = members(answer)
        output = found.pop("template_output").of(answer)
        parts = {name: Raw(span.of(output)) for name, span in members(output).items()}
        asked = msgspec.json.decode(template, type=dict[str, Raw])
    except (KeyError, ValueError, RecursionError):
        return None
    if found:  # the template has rendered to more than one value
        return None
    on = {name: asked[name] for name in _SWITCHES if bytes(asked.get(name, b"")) in _TRUE}
    if not on and not parts.keys() & set(_SWITCHES):
        return output
    return msgspec.json.encode({name: value for name, value in parts.items() if name not in _SWITCHES} | on)
