"""Streams requests and responses through unchanged, byte for byte, in constant memory."""

from __future__ import annotations

import time
from dataclasses import replace
from http import HTTPStatus
from typing import cast

import aiohttp
import structlog
from aiohttp import web
from aiohttp.http import StreamWriter

from es_rerank.config.settings import Settings
from es_rerank.errors import UpstreamError
from es_rerank.net.connection_errors import describe_error
from es_rerank.net.messages import Body, EngineResponse, OutgoingRequest
from es_rerank.net.stream_copy import copy_stream
from es_rerank.search.engine_request.by_endpoint import EngineRequest
from es_rerank.search.engine_request.repeatable import is_repeatable
from es_rerank.server import client_request
from es_rerank.server.responses import PassedResponse, RerankHeaders, error_answer
from es_rerank.server.state import State

log = structlog.get_logger()

_NO_HEADERS = RerankHeaders()
_READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


async def pass_request(
    state: State,
    request: web.BaseRequest,
    body: Body = None,
    headers: RerankHeaders = _NO_HEADERS,
    forward: EngineRequest | None = None,
) -> web.StreamResponse:
    """Pass a request to the engine, and stream the response to the client.

    Args:
        state: The components of the running endpoint.
        request: The client's request.
        body: The request body.
        headers: Headers to add to the response. Their outcome is empty if the request has no searches.
        forward: The request to send instead of the client's own.

    """
    outgoing = _client_request(request, state.settings, body, searched=bool(headers.outcome))
    started = time.monotonic()
    try:
        async with state.upstream.open(_replaced(outgoing, forward) if forward else outgoing) as response:
            headers.add_to(response.headers, in_flight_since=started)
            return await _stream(state, request, response)
    except UpstreamError as error:
        log.warning("upstream failed", path=request.path, reason=str(error))
        state.metrics.upstream_failed("unreachable")
        if error.silent and "Content-Encoding" in request.headers and request.transport:
            # Engines close the connection if a body does not match its `Content-Encoding`. es-rerank cannot distinguish
            # this from an engine that has stopped, so it closes the client's connection in both cases.
            request.transport.abort()
        return gateway_error(str(error), headers, in_flight_since=started)
    finally:
        if headers.timings:
            headers.timings.add_engine(started)


def gateway_error(reason: str, headers: RerankHeaders, *, in_flight_since: float | None = None) -> web.Response:
    """Return the response for an engine that does not respond: 502, so that clients retry or use another node."""
    response = error_answer(HTTPStatus.BAD_GATEWAY, "upstream_unreachable_exception", reason)
    headers.add_to(response.headers, in_flight_since=in_flight_since)
    return response


def _client_request(request: web.BaseRequest, settings: Settings, body: Body, *, searched: bool) -> OutgoingRequest:
    """Return the engine request for a client's request. It can be retried if it is a read without a streamed body."""
    target = client_request.target(request)
    reads = isinstance(body, bytes | None) and (searched or request.method in _READ_METHODS)
    retryable = reads and is_repeatable(request.method, target)
    headers = client_request.headers(request, settings)
    own = client_request.uses_service_credentials(request, settings)
    return OutgoingRequest(request.method, target, headers, body or None, retryable, use_service_credentials=own)


def _replaced(request: OutgoingRequest, forward: EngineRequest) -> OutgoingRequest:
    """Return the request with the target of *forward*, and with the body of *forward* if it has one."""
    if not forward.body:
        return replace(request, target=forward.target)
    headers = request.headers.copy()
    for name in ("Content-Length", "Content-Encoding"):
        headers.popall(name, None)
    headers.setdefault("Content-Type", "application/json")
    return replace(request, target=forward.target, headers=headers, body=forward.body)


async def _stream(state: State, request: web.BaseRequest, response: EngineResponse) -> web.StreamResponse:
    """Copy the engine's response to the client. If it is cut off, abort the client's connection, to show the error."""
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        state.metrics.upstream_failed("http_5xx")
    elif response.status == HTTPStatus.TOO_MANY_REQUESTS:
        state.metrics.upstream_failed("http_429")
    copy = PassedResponse(status=response.status, reason=response.reason, headers=response.headers)
    await copy.prepare(request)
    try:
        await copy_stream(response.content, cast("StreamWriter", request.writer))
        await copy.write_eof()
    except (aiohttp.ClientError, ConnectionError) as error:
        state.metrics.upstream_failed("cut_off")
        log.info("engine response cut off", path=request.path, reason=describe_error(error))
        if request.transport:
            request.transport.abort()
    return copy
