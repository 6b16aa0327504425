"""Streams requests and answers through, byte for byte, in constant memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus

import aiohttp
import structlog
from aiohttp import web

from es_rerank.answers import Answer, error_answer
from es_rerank.errors import UpstreamError
from es_rerank.upstream import Body, Request, Upstream, passing

log = structlog.get_logger()

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


async def relay(
    request: web.BaseRequest, upstream: Upstream, body: Body = None, said: str = "", to: str = ""
) -> web.StreamResponse:
    """Send a request on as it came, or to another target, and stream the answer back.

    *said* is what became of its searches, for the client; "" says that it carried none.
    """
    try:
        async with upstream.open(_as_it_came(request, body, said, to or target(request))) as answer:
            return await _stream(request, answer, said)
    except UpstreamError as error:
        log.warning("upstream failed", path=request.path, reason=str(error))
        return gateway_error(str(error), said)


def gateway_error(reason: str, said: str = "") -> web.Response:
    """Answer for an engine that does not: 502, so that clients try another time or another node."""
    headers = {"X-Rerank": said} if said else None
    return error_answer(HTTPStatus.BAD_GATEWAY, "upstream_unreachable_exception", reason, headers)


def target(request: web.BaseRequest) -> str:
    """Give the path and query as the client wrote them; of an absolute form (RFC 9112, 3.2.2) what follows the host."""
    raw = request.raw_path
    return raw if raw.startswith("/") else "/" + raw.partition("://")[2].partition("/")[2]


def uploading(request: web.BaseRequest) -> AsyncIterator[bytes] | None:
    """Stream the client's body as it comes; None if there is none."""
    return request.content.iter_any() if request.can_read_body else None


def _as_it_came(request: web.BaseRequest, body: Body, said: str, to: str) -> Request:
    """Copy a request. Searches and reads without a streamed body may be tried again on a stale connection."""
    repeatable = isinstance(body, bytes | None) and (bool(said) or request.method in _READS)
    return Request(request.method, to, passing(request.headers), body or None, repeatable)


async def _stream(request: web.BaseRequest, answer: aiohttp.ClientResponse, said: str) -> web.StreamResponse:
    """Copy an answer; one that breaks off upstream breaks off here too, so that no client takes it for whole."""
    headers = passing(answer.headers)
    if said:
        headers["X-Rerank"] = said
    response = Answer(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    except (aiohttp.ClientError, ConnectionError) as error:
        log.info("answer cut off", path=request.path, reason=f"{type(error).__name__}: {error}")
        if request.transport:
            request.transport.abort()
    return response
