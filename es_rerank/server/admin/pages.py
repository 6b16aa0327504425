"""The endpoint's own pages below `/_rerank`: one row each. What anybody may see stands beside them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from es_rerank.config.yaml_source import dotted
from es_rerank.model import Failed, ScoreRequest
from es_rerank.server.admin.access import foreign, refused
from es_rerank.server.listen.connection import Pages, offered
from es_rerank.server.responses import error_answer
from es_rerank.server.state import State

PREFIX = "/_rerank"

_PAGE_SECONDS = 30.0
_MOST_CANDIDATES = 1000
# Load balancers and kubelets ask without credentials.
_FOR_ANYBODY = frozenset({"/health/live", "/health/ready"})
_JSON = "application/json"
_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

Handler = Callable[[State, web.Request], Awaitable[web.StreamResponse]]


class Candidates(BaseModel):
    """The body of `POST /_rerank/rank`."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
    candidates: list[Annotated[str, StringConstraints(max_length=100_000)]] = Field(
        min_length=1, max_length=_MOST_CANDIDATES
    )


async def own_page(state: State, request: web.Request) -> web.StreamResponse:
    """Answer a request to an own page; unknown ones get an error in the engines' shape."""
    page = request.path.removeprefix(PREFIX) or "/"
    rejection = None if page in _FOR_ANYBODY else await refused(state, request)
    if rejection is not None:
        return rejection
    methods = PAGES.get(page)
    if methods is None:
        return error_answer(HTTPStatus.NOT_FOUND, "resource_not_found_exception", f"no page [{request.path}]")
    method = "GET" if request.method == "HEAD" else request.method
    if method not in methods:
        allowed = ", ".join(methods)
        return error_answer(
            HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", f"[{request.path}] takes {allowed}", {"Allow": allowed}
        )
    return await methods[method](state, request)


async def _page(_state: State, _request: web.Request) -> web.StreamResponse:
    """Show the page."""
    text = (files(__package__) / "page.html").read_text(encoding="utf-8")
    return web.Response(text=text, content_type="text/html", headers=_SECURITY)


async def _rank(state: State, request: web.Request) -> web.StreamResponse:
    """Rank candidates for a query, best first, ties in the order they were sent."""
    if request.content_type != _JSON:
        # Other types a page of any other site may send from a visitor's browser, without asking.
        reason = f"[{request.path}] takes {_JSON}"
        return error_answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media_type_header_exception", reason)
    try:
        asked = Candidates.model_validate_json(await request.read())
    except web.HTTPRequestEntityTooLarge as error:
        return error_answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "content_too_long_exception", error.text or "too long")
    except ValidationError as error:
        first = error.errors()[0]
        return error_answer(
            HTTPStatus.BAD_REQUEST, "illegal_argument_exception", f"{dotted(first['loc']) or 'body'}: {first['msg']}"
        )
    texts, deadline = [text or None for text in asked.candidates], time.monotonic() + _PAGE_SECONDS
    ask = ScoreRequest(asked.query, texts, state.rules.default_rule, deadline, whole=True)
    found = await state.reranker.score(ask)
    if isinstance(found, Failed):
        return error_answer(
            HTTPStatus.INTERNAL_SERVER_ERROR, "rerank_exception", f"{found.why}: {found.detail or 'no scores'}"
        )
    scored = [(p or 0.0, at) for at, p in enumerate(found.probabilities)]
    results = [
        {"index": at, "score": p, "text": asked.candidates[at]} for p, at in sorted(scored, key=lambda pair: -pair[0])
    ]
    return web.json_response({"model": found.model, "results": results})


async def _live(_state: State, _request: web.Request) -> web.StreamResponse:
    """Say that the process answers."""
    return web.json_response({"status": "live"})


async def _ready(state: State, request: web.Request) -> web.StreamResponse:
    """Say whether searches are reranked; a degraded endpoint still serves the engine's order, so 200 all the same.

    Why it is degraded is not for anybody.
    """
    if state.life.draining:
        return web.json_response({"status": "draining"}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    health = state.reranker.health
    told = health.why and offered(request) is Pages.FOR_ALL and not foreign(request, state.settings)
    return web.json_response({"status": health.state, **({"why": health.why} if told else {})})


async def _metrics(state: State, _request: web.Request) -> web.StreamResponse:
    """Write the metrics."""
    state.metrics.stands(state.reranker.health)
    text = state.metrics.text()
    return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


PAGES: Mapping[str, Mapping[str, Handler]] = {
    "/": {"GET": _page},
    "/rank": {"POST": _rank},
    "/health/live": {"GET": _live},
    "/health/ready": {"GET": _ready},
    "/metrics": {"GET": _metrics},
}
