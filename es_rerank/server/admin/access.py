"""Decides who has access to the admin pages: all callers, or authenticated callers if `admin_listen` is `shared`.

Endpoints that es-rerank answers without the engine are also only for authenticated callers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import aiohttp
import structlog
from aiohttp import web

from es_rerank.config.addresses import UNIX, host_and_port
from es_rerank.config.settings import Settings
from es_rerank.errors import UpstreamError
from es_rerank.net import identity
from es_rerank.net.connection_errors import describe_error
from es_rerank.net.content_encoding import read_limited
from es_rerank.net.messages import OutgoingRequest
from es_rerank.server import client_request
from es_rerank.server.listen.admin_access import AdminAccess, admin_access
from es_rerank.server.passthrough import gateway_error
from es_rerank.server.responses import RerankHeaders, WholeResponse, error_answer
from es_rerank.server.state import State

log = structlog.get_logger()

# An engine with security enabled answers these requests for every authenticated caller, whatever its privileges, and
# for no other caller. The last two requests are for engines without the security APIs. Minimal builds of Elasticsearch
# have no `GET /`.
_AUTHENTICATION_REQUESTS = (
    "/_security/_authenticate",
    "/_plugins/_security/authinfo",
    "/",
    "/_nodes/_local?filter_path=cluster_name",
)
_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_TIMEOUT_SECONDS = 10.0

Guard = Callable[[State, web.Request], Awaitable[web.StreamResponse | None]]
"""Returns an error response for a caller without access; None if access is allowed."""


async def deny_access(state: State, request: web.Request) -> web.StreamResponse | None:
    """Return an error response if the caller has no access to admin pages, otherwise None.

    The access depends on the address that the caller has connected to.
    """
    return await _GUARDS[admin_access(request)](state, request)


async def deny_own_endpoint(state: State, request: web.Request) -> web.StreamResponse | None:
    """Return an error response if the caller has no access to endpoints that es-rerank answers itself, otherwise None.

    The caller needs credentials as for the engine's own endpoints. At `admin_listen`, all callers have access.
    """
    guard = _deny_foreign_host if admin_access(request) is AdminAccess.ALL else _deny_unauthenticated
    return await guard(state, request)


def is_foreign_host(request: web.BaseRequest, settings: Settings) -> bool:
    """Return whether the `Host` of a request for an admin page may be a name of an attacker (DNS rebinding).

    An attacker's web page can let its own host name point to this machine, so that the browser sends requests here. It
    cannot do so with TLS, because the certificate has another name, or with Unix sockets.
    """
    if request.secure or settings.admin_listen.startswith(UNIX):
        return False
    own = (host_and_port(settings.admin_listen)[0], *settings.trusted_hosts)
    return identity.is_foreign_host(request.headers.get("Host", ""), own)


async def _deny_foreign_host(state: State, request: web.Request) -> web.StreamResponse | None:
    """Return an error response if the `Host` may be a name of an attacker, otherwise None."""
    if not is_foreign_host(request, state.settings):
        return None
    reason = "the admin pages accept IP addresses, names without a dot, the host of admin_listen, and trusted_hosts"
    return error_answer(HTTPStatus.MISDIRECTED_REQUEST, "illegal_argument_exception", reason)


async def _deny_unauthenticated(state: State, request: web.Request) -> web.StreamResponse | None:
    """Return an error response if the engine does not authenticate the caller or cannot be reached, otherwise None."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return await _denied_by_engine(state, request)
    except TimeoutError:
        reason = "the engine did not authenticate the caller in time"
    except UpstreamError as error:
        reason = str(error)
    except aiohttp.ClientError as error:
        reason = f"the engine's response was cut off: {describe_error(error)}"
    log.warning("upstream failed", path=request.path, reason=reason)
    return gateway_error(reason, RerankHeaders())


async def _denied_by_engine(state: State, request: web.Request) -> web.StreamResponse | None:
    """Check the caller's credentials with a request to the engine, without es-rerank's own credentials.

    The requests in `_AUTHENTICATION_REQUESTS` are tried in order, until the engine supports one.

    Returns:
        The engine's response if it denies access, otherwise None.

    Raises:
        UpstreamError: The engine supports none of the requests, or cannot be reached.

    """
    headers = client_request.headers(request, state.settings, *client_request.BODY_HEADERS)
    headers["Accept"] = "application/json"
    for target in _AUTHENTICATION_REQUESTS:
        async with state.upstream.open(
            # Without service credentials, which would authenticate every caller.
            OutgoingRequest("GET", target, headers, retryable=True)
        ) as answer:
            body, _ = await read_limited(answer.content.iter_any(), state.settings.max_answer)
        if answer.status == HTTPStatus.OK:
            return None
        if answer.status in _DENIED:
            answer.headers.popall("Content-Length", None)
            return WholeResponse(status=answer.status, reason=answer.reason, headers=answer.headers, body=body or b"")
    raise UpstreamError(f"the engine did not authenticate the caller: HTTP {answer.status}")


async def _deny_all(_state: State, request: web.Request) -> web.StreamResponse | None:
    """Return an error response to every request, because this address has no admin pages."""
    return error_answer(HTTPStatus.NOT_FOUND, "resource_not_found_exception", f"no page [{request.path}]")


_GUARDS: Mapping[AdminAccess, Guard] = {
    AdminAccess.NONE: _deny_all,
    AdminAccess.ALL: _deny_foreign_host,
    AdminAccess.AUTHENTICATED: _deny_unauthenticated,
}
