"""Routes the requests below `/_rerank` to the handlers of the admin pages."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from http import HTTPStatus
from importlib.resources import files

from aiohttp import web

from es_rerank.reasons import REASONS
from es_rerank.server.admin.access import deny_access
from es_rerank.server.admin.explain import explain
from es_rerank.server.admin.health import live, ready
from es_rerank.server.admin.indices import indices
from es_rerank.server.admin.rank import rank
from es_rerank.server.admin.status import status
from es_rerank.server.responses import error_answer
from es_rerank.server.state import State

PREFIX = "/_rerank"

# Placeholder in page.html for the table of reasons.
_REASONS_SLOT = "{};  // REASONS"
# Load balancers and the kubelet request these pages without credentials.
_PUBLIC = frozenset({"/health/live", "/health/ready"})
_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

Handler = Callable[[State, web.Request], Awaitable[web.StreamResponse]]


async def admin_page(state: State, request: web.Request) -> web.StreamResponse:
    """Respond to a request for an admin page. Errors have the engines' format."""
    page = request.path.removeprefix(PREFIX) or "/"
    rejection = None if page in _PUBLIC else await deny_access(state, request)
    if rejection is not None:
        return rejection
    methods = PAGES.get(page)
    if methods is None:
        return error_answer(HTTPStatus.NOT_FOUND, "resource_not_found_exception", f"no page [{request.path}]")
    method = "GET" if request.method == "HEAD" else request.method
    if method not in methods:
        allowed = ", ".join(methods)
        return error_answer(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "method_not_allowed",
            f"[{request.path}] supports the methods {allowed}",
            {"Allow": allowed},
        )
    return await methods[method](state, request)


async def _page(_state: State, _request: web.Request) -> web.StreamResponse:
    """Return the web page."""
    return web.Response(text=_html(), content_type="text/html", headers=_SECURITY)


@cache
def _html() -> str:
    """Return the HTML of the web page with the table of reasons."""
    page = (files(__package__) / "page.html").read_text(encoding="utf-8")
    table = json.dumps({why: reason._asdict() for why, reason in REASONS.items()})
    # Only `<` can end a script element.
    return page.replace(_REASONS_SLOT, table.replace("<", "\\u003c") + ";")


async def _fields(state: State, _request: web.Request) -> web.StreamResponse:
    """Return the latest choices of fields, newest last. Each choice has the path of a search and the chosen fields."""
    return web.json_response({"choices": state.field_choices.listed()})


async def _metrics(state: State, _request: web.Request) -> web.StreamResponse:
    """Return the metrics in Prometheus text format."""
    state.metrics.update(state.reranker)
    text = state.metrics.text()
    return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


PAGES: Mapping[str, Mapping[str, Handler]] = {
    "/": {"GET": _page},
    "/rank": {"POST": rank},
    "/explain": {"POST": explain},
    "/indices": {"GET": indices},
    "/status": {"GET": status},
    "/fields": {"GET": _fields},
    "/health/live": {"GET": live},
    "/health/ready": {"GET": ready},
    "/metrics": {"GET": _metrics},
}
