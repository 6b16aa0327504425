"""Which requests carry searches. One row an endpoint; a request without a row is streamed through."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, unquote_plus

import msgspec

from es_rerank.model import Search, Skip, Why


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method and path that carries searches; the first group of `path` is the index expression."""

    name: str
    methods: frozenset[str]
    path: re.Pattern[str]


ENDPOINTS = (Endpoint("_search", frozenset({"GET", "POST"}), re.compile(r"^/(?:([^/_][^/]*|_all)/)?_search/?$")),)

# Media types whose body is JSON text: application/json and the vendor types of Elasticsearch 8 and 9.
_JSON_TYPE = re.compile(
    r"^\s*(application/(json|x-ndjson|vnd\.elasticsearch\+json|\*)|text/plain|\*/\*)\s*($|[;,])", re.IGNORECASE
)
_OTHER_FORMATS = frozenset({"yaml", "cbor", "smile"})


@dataclass(frozen=True, slots=True)
class Carried:
    """One request to a known endpoint, as it came; `target` is the decoded index expression."""

    target: str
    query_string: str
    headers: Mapping[str, str] = field(default_factory=dict)


def match(method: str, raw_path: str, headers: Mapping[str, str]) -> Carried | None:
    """Find the row for a request, or None: then the request is streamed through."""
    path, _, query_string = raw_path.partition("?")
    for endpoint in ENDPOINTS:
        found = endpoint.path.match(path) if method in endpoint.methods else None
        if found:
            return Carried(unquote(found.group(1) or ""), query_string, headers)
    return None


def parameters(query_string: str) -> dict[str, str]:
    """Decode URL parameters; of a repeated one the last counts, as in the engines."""
    pairs = (pair.partition("=") for pair in query_string.split("&") if pair)
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}


def read(carried: Carried, body: bytes) -> Search | Skip:
    """Decode one request into a Search; what cannot be read is left to the engine, which words its own error."""
    params = parameters(carried.query_string)
    if _other_format(params, carried.headers, body):
        return Skip(Why.FORMAT)
    try:
        decoded = _decode(body.strip() or params.get("source", "").encode())
    except (ValueError, RecursionError):
        return Skip(Why.UNREADABLE)
    return Search(carried.target, params, decoded)


def _decode(text: bytes) -> dict[str, Any]:
    """Decode a search body; an empty one is an empty search."""
    return msgspec.json.decode(text, type=dict[str, Any]) if text else {}


def _other_format(params: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> bool:
    """Tell whether the request or its answer is something else than JSON."""
    if params.get("format", "json").lower() in _OTHER_FORMATS:
        return True
    sent = headers.get("Content-Type", "") if body else params.get("source_content_type", "")
    return any(value and not _JSON_TYPE.match(value) for value in (sent, headers.get("Accept", "")))
