"""Search templates. The engine renders them; the result is handled like any other search."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from es_rerank.jsonspan import check_depth, decode, members
from es_rerank.search.formats.endpoints import INDEX_OPTIONS

# Members of a template request that take precedence over the rendered search body.
_SWITCHES = ("explain", "profile")
_TRUE = frozenset({b"true", b'"true"'})
# URL parameters of a template request that apply to the rendered search.
_REQUEST_PARAMETERS = INDEX_OPTIONS | {"filter_path", "scroll", "search_pipeline"}


def request_params(params: Mapping[str, str]) -> dict[str, str]:
    """Return the URL parameters of a template request that apply to the rendered search."""
    return {name: value for name, value in params.items() if name in _REQUEST_PARAMETERS}


def inline(search: bytes) -> bytes:
    """Return a template request that renders to exactly this search body.

    The template source is always the same, so the engine compiles it only once.
    """
    parts = decode(search, dict[str, Raw])
    switches = {name: parts[name] for name in _SWITCHES if name in parts}
    return msgspec.json.encode({"source": "{{{search}}}", "params": {"search": search.decode()}, **switches})


def rendered(answer: bytes, template: bytes) -> bytes | None:
    """Return the search body that a template rendered to.

    Args:
        answer: The response body of `_render/template`.
        template: The body of the template request; its `explain` and `profile` take precedence, as in the engines.

    Returns:
        The search body; None if the response has another format, or the template rendered to more than one value.

    """
    try:
        check_depth(answer)
        found = members(answer)
        output = found.pop("template_output").of(answer)
        parts = {name: Raw(span.of(output)) for name, span in members(output).items()}
        asked = decode(template, dict[str, Raw])
    except (KeyError, ValueError):
        return None
    if found:  # the template has rendered to more than one value
        return None
    on = {name: asked[name] for name in _SWITCHES if bytes(asked.get(name, b"")) in _TRUE}
    if not on and not parts.keys() & set(_SWITCHES):
        return output
    return msgspec.json.encode({name: value for name, value in parts.items() if name not in _SWITCHES} | on)
