"""Lists the indices that the caller may search, each with the name of its rule, for the web page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web

from es_rerank.config.rules import hidden
from es_rerank.errors import UpstreamError
from es_rerank.model import Why
from es_rerank.net.content_encoding import read_limited
from es_rerank.net.messages import OutgoingRequest
from es_rerank.server import client_request
from es_rerank.server.passthrough import gateway_error
from es_rerank.server.responses import RerankHeaders
from es_rerank.server.state import State

_RESOLVE = "/_resolve/index/*"
_KINDS = ("indices", "aliases", "data_streams")
_MAX_BYTES = 5_000_000
_MAX_NAMES = 1000


async def indices(state: State, request: web.Request) -> web.StreamResponse:
    """Return indices, aliases and data streams with the names of their rules, or an empty list if access is denied."""
    headers = client_request.headers(request, state.settings, *client_request.BODY_HEADERS)
    uses_own = client_request.uses_service_credentials(request, state.settings)
    ask = OutgoingRequest("GET", _RESOLVE, headers, retryable=True, use_service_credentials=uses_own)
    try:
        async with state.upstream.open(ask) as answer:
            body, _ = await read_limited(answer.content.iter_any(), _MAX_BYTES)
    except UpstreamError as error:
        return gateway_error(str(error), RerankHeaders())
    found = _json(body) if answer.status == web.HTTPOk.status_code else {}
    names = sorted({name for kind in _KINDS for name in _names(found.get(kind))})[:_MAX_NAMES]
    return web.json_response({"indices": [{"name": name, "rule": _rule(state, name)} for name in names]})


def _json(body: bytes | None) -> Mapping[str, Any]:
    """Return the JSON object in a response body, or an empty object if the body is anything else."""
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _names(rows: Any) -> Iterator[str]:
    """Yield the names in one of the lists in a response of `_resolve/index`, except those of hidden indices."""
    for row in rows if isinstance(rows, list) else ():
        name = row.get("name") if isinstance(row, dict) else None
        if isinstance(name, str) and not hidden(name):
            yield name


def _rule(state: State, name: str) -> str | None:
    """Return the name of the rule of an index, or None if its searches are not reranked."""
    rule = state.rules.choose(name, [name])
    return None if isinstance(rule, Why) else rule.name
