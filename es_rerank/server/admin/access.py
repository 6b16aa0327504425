"""Who may see an own page: at a place of its own whoever reaches it, at the clients' place whom the engine knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp
import structlog
from aiohttp import web

from es_rerank.config.settings import Settings
from es_rerank.config.types import UNIX, host_and_port
from es_rerank.errors import UpstreamError
from es_rerank.net.connection_errors import describe_error
from es_rerank.net.content_encoding import read_limited
from es_rerank.net.messages import OutgoingRequest
from es_rerank.server import client_request
from es_rerank.server.listen.connection import AdminAccess, admin_access
from es_rerank.server.passthrough import gateway_error
from es_rerank.server.responses import RerankHeaders, WholeAnswer, error_answer
from es_rerank.server.state import State

log = structlog.get_logger()

# What an engine with security answers nobody but a caller whom it knows, whatever that caller may do. The last two are
# for an engine that knows none of these, which has no security or an older one; small Elasticsearches have no `GET /`.
_QUESTIONS = (
    "/_security/_authenticate",
    "/_plugins/_security/authinfo",
    "/",
    "/_nodes/_local?filter_path=cluster_name",
)
_STRANGER = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_LIMIT_SECONDS = 10.0

Guard = Callable[[State, web.Request], Awaitable[web.StreamResponse | None]]
"""Gives the answer to a caller who may not see the page; None to one who may."""


async def deny_access(state: State, request: web.Request) -> web.StreamResponse | None:
    """Refuse a caller as the address demands that the request came by; None if the page may be shown."""
    return await _GUARDS[admin_access(request)](state, request)


def foreign(request: web.BaseRequest, settings: Settings) -> bool:
    """Tell whether a browser may have been led here by somebody else's name for this machine (DNS rebinding).

    A name with a dot may be anybody's, but for the one that the setting has. Over TLS the certificate has settled it,
    and no browser reaches a path.
    """
    host = request.headers.get("Host")
    if host is None or request.secure or settings.admin_listen.startswith(UNIX):
        return False
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return True
    return "." in name and not _is_address(name) and name != host_and_port(settings.admin_listen)[0].lower()


def _is_address(name: str) -> bool:
    """Tell an IP address from a name."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


async def _addressed(state: State, request: web.Request) -> web.StreamResponse | None:
    """Refuse a request that came by somebody else's name."""
    if not foreign(request, state.settings):
        return None
    reason = "the own pages answer to IP addresses, names without a dot, and the host of admin_listen"
    return error_answer(HTTPStatus.MISDIRECTED_REQUEST, "illegal_argument_exception", reason)


async def _known(state: State, request: web.Request) -> web.StreamResponse | None:
    """Refuse whom the engine refuses, in its words; without an engine that says so nobody is known."""
    try:
        async with asyncio.timeout(_LIMIT_SECONDS):
            return await _asked(state, request)
    except TimeoutError:
        reason = "the engine does not say in time who asks"
    except UpstreamError as error:
        reason = str(error)
    except aiohttp.ClientError as error:
        reason = f"the engine broke off: {describe_error(error)}"
    log.warning("upstream failed", path=request.path, reason=reason)
    return gateway_error(reason, RerankHeaders())


async def _asked(state: State, request: web.Request) -> web.StreamResponse | None:
    """Ask the engine who the caller is, until a question is one that it has; never with the endpoint's own credentials.

    Raises UpstreamError.
    """
    headers = client_request.headers(request, state.settings, *client_request.OF_THE_BODY)
    headers["Accept"] = "application/json"
    for target in _QUESTIONS:
        async with state.upstream.open(
            OutgoingRequest("GET", target, headers, retryable=True, use_service_credentials=False)
        ) as answer:
            body, _ = await read_limited(answer.content.iter_any(), state.settings.max_answer)
        if answer.status == HTTPStatus.OK:
            return None
        if answer.status in _STRANGER:
            answer.headers.popall("Content-Length", None)
            return WholeAnswer(status=answer.status, reason=answer.reason, headers=answer.headers, body=body or b"")
    raise UpstreamError(f"the engine does not say who asks: HTTP {answer.status}")


async def _never(_state: State, request: web.Request) -> web.StreamResponse | None:
    """Refuse all: this address has no own pages."""
    return error_answer(HTTPStatus.NOT_FOUND, "resource_not_found_exception", f"no page [{request.path}]")


_GUARDS: Mapping[AdminAccess, Guard] = {
    AdminAccess.NONE: _never,
    AdminAccess.ALL: _addressed,
    AdminAccess.AUTHENTICATED: _known,
}
