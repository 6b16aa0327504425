"""The admin pages below `/_rerank`."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from es_rerank.config.yaml_source import dotted
from es_rerank.model import Failed, ScoreRequest
from es_rerank.reasons import REASONS
from es_rerank.server.admin.access import deny_access
from es_rerank.server.admin.health import live, ready
from es_rerank.server.responses import error_answer
from es_rerank.server.state import State

PREFIX = "/_rerank"

# Placeholder in page.html for the table of reasons.
_REASONS_SLOT = "{};  // REASONS"
_RANK_SECONDS = 30.0
_MAX_CANDIDATES = 1000
_MAX_CANDIDATE_CHARACTERS = 100_000
_MAX_QUERY_CHARACTERS = 10_000
# Load balancers and the kubelet probe these without credentials.
_PUBLIC = frozenset({"/health/live", "/health/ready"})
_JSON = "application/json"
_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

Handler = Callable[[State, web.Request], Awaitable[web.StreamResponse]]


class Candidates(BaseModel):
    """The request body of `POST /_rerank/rank`."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, StringConstraints(min_length=1, max_length=_MAX_QUERY_CHARACTERS)]
    candidates: list[Annotated[str, StringConstraints(max_length=_MAX_CANDIDATE_CHARACTERS)]] = Field(
        min_length=1, max_length=_MAX_CANDIDATES
    )


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


async def _rank(state: State, request: web.Request) -> web.StreamResponse:
    """Rank candidates for a query, best first; ties keep the input order."""
    if request.content_type != _JSON:
        # Browsers send some other types cross-origin without a preflight request.
        reason = f"[{request.path}] requires the content type {_JSON}"
        return error_answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media_type_header_exception", reason)
    try:
        body = Candidates.model_validate_json(await request.read())
    except web.HTTPRequestEntityTooLarge as error:
        return error_answer(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "content_too_long_exception", error.text or "the body is too long"
        )
    except ValidationError as error:
        first = error.errors()[0]
        return error_answer(
            HTTPStatus.BAD_REQUEST, "illegal_argument_exception", f"{dotted(first['loc']) or 'body'}: {first['msg']}"
        )
    documents = [text or None for text in body.candidates]
    deadline = time.monotonic() + _RANK_SECONDS
    score_request = ScoreRequest(body.query, documents, state.rules.default_rule, deadline, whole=True)
    scores = await state.reranker.score(score_request)
    if isinstance(scores, Failed):
        return error_answer(
            HTTPStatus.INTERNAL_SERVER_ERROR, "rerank_exception", f"{scores.why}: {scores.detail or 'no scores'}"
        )
    scored = sorted(enumerate(scores.probabilities), key=lambda pair: -(pair[1] or 0.0))
    results = [{"index": index, "score": score or 0.0, "text": body.candidates[index]} for index, score in scored]
    return web.json_response({"model": scores.model, "results": results})


async def _fields(state: State, _request: web.Request) -> web.StreamResponse:
    """Return which fields the model has read lately, by path of the search, the newest choice last."""
    return web.json_response({"choices": state.field_choices.listed()})


async def _metrics(state: State, _request: web.Request) -> web.StreamResponse:
    """Return the metrics in Prometheus text format."""
    state.metrics.update_reranker(state.reranker.health)
    text = state.metrics.text()
    return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


PAGES: Mapping[str, Mapping[str, Handler]] = {
    "/": {"GET": _page},
    "/rank": {"POST": _rank},
    "/fields": {"GET": _fields},
    "/health/live": {"GET": live},
    "/health/ready": {"GET": ready},
    "/metrics": {"GET": _metrics},
}
