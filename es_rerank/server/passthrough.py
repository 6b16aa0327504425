"""Streams requests and answers through, byte for byte, in constant memory."""

from __future__ import annotations

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
from es_rerank.server import client_request
from es_rerank.server.responses import Answer, RerankHeaders, error_answer
from es_rerank.server.state import State

log = structlog.get_logger()

_NOTHING = RerankHeaders()
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


async def relay(
    state: State,
    request: web.BaseRequest,
    body: Body = None,
    aside: RerankHeaders = _NOTHING,
    to: EngineRequest | None = None,
) -> web.StreamResponse:
    """Send a request on as it came, or as *to* says, and stream the answer back with what is said *aside*.

    Where nothing is said of searches it carried none.
    """
    sending = _as_it_came(request, state.settings, body, searched=bool(aside.said))
    try:
        async with state.upstream.open(_instead(sending, to) if to else sending) as answer:
            aside.onto(answer.headers)
            return await _stream(request, answer)
    except UpstreamError as error:
        log.warning("upstream failed", path=request.path, reason=str(error))
        if error.silent and "Content-Encoding" in request.headers and request.transport:
            # Engines close the connection on a body that is not in its coding, or they died: there is no telling.
            request.transport.abort()
        return gateway_error(str(error), aside)


def gateway_error(reason: str, aside: RerankHeaders) -> web.Response:
    """Answer for an engine that does not: 502, so that clients try another time or another node."""
    answer = error_answer(HTTPStatus.BAD_GATEWAY, "upstream_unreachable_exception", reason)
    aside.onto(answer.headers)
    return answer


def _as_it_came(request: web.BaseRequest, settings: Settings, body: Body, *, searched: bool) -> OutgoingRequest:
    """Copy a request. Searches and reads without a streamed body may be tried again on a stale connection."""
    retryable = isinstance(body, bytes | None) and (searched or request.method in _READS)
    headers = client_request.headers(request, settings)
    return OutgoingRequest(request.method, client_request.target(request), headers, body or None, retryable)


def _instead(request: OutgoingRequest, to: EngineRequest) -> OutgoingRequest:
    """Put another target, and another body if it has one, in the place of the request's own."""
    if not to.body:
        return replace(request, target=to.target)
    headers = request.headers.copy()
    for name in ("Content-Length", "Content-Encoding"):
        headers.popall(name, None)
    return replace(request, target=to.target, headers=headers, body=to.body)


async def _stream(request: web.BaseRequest, answer: EngineResponse) -> web.StreamResponse:
    """Copy an answer; one that breaks off upstream breaks off here too, so that no client takes it for whole."""
    response = Answer(status=answer.status, reason=answer.reason, headers=answer.headers)
    await response.prepare(request)
    try:
        await copy_stream(answer.content, cast("StreamWriter", request.writer))
        await response.write_eof()
    except (aiohttp.ClientError, ConnectionError) as error:
        log.info("answer cut off", path=request.path, reason=describe_error(error))
        if request.transport:
            request.transport.abort()
    return response
