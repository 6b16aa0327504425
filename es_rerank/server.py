"""The endpoint: own pages, searches through the pipeline, everything else streamed both ways."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from http import HTTPStatus

import structlog
from aiohttp import web

from es_rerank.answers import WholeAnswer, bare, error_answer
from es_rerank.config import Settings
from es_rerank.errors import UpstreamError
from es_rerank.exchange import Exchange, limited, unzipped
from es_rerank.flows import FLOWS
from es_rerank.flows.done import Done, broken, left_alone
from es_rerank.model import Why, header
from es_rerank.relay import gateway_error, relay, target, uploading
from es_rerank.search.endpoints import Carried, match
from es_rerank.state import STATE, State, build
from es_rerank.upstream import MAX_LINE
from es_rerank.web.pages import PREFIX, own_page

log = structlog.get_logger()

_MODE = "X-Rerank-Mode"
_GRACE_SECONDS = 10.0


def application(settings: Settings) -> web.Application:
    """Make the aiohttp application of one endpoint."""
    app = web.Application(client_max_size=settings.max_body)
    app[STATE] = build(settings)
    app.cleanup_ctx.append(_running)
    app.on_response_prepare.append(bare)
    app.router.add_route("*", "/{path:.*}", handle)
    return app


def runner(settings: Settings) -> web.AppRunner:
    """Make the runner: bodies stay coded, long lines are taken, and a client that goes away ends its search."""
    return web.AppRunner(
        application(settings),
        access_log=None,
        auto_decompress=False,
        handler_cancellation=True,
        max_line_size=MAX_LINE,
        max_field_size=MAX_LINE,
        keepalive_timeout=75,
        shutdown_timeout=_GRACE_SECONDS,
    )


async def handle(request: web.Request) -> web.StreamResponse:
    """Answer one request; a fault of ours is an error in the engines' shape, which no client tries again."""
    try:
        return await _routed(request)
    except Exception as error:
        log.exception("request failed", path=request.path)
        if request.writer.output_size:
            raise
        reason = f"es-rerank failed: {type(error).__name__}"
        return error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, "es_rerank_exception", reason)


async def _routed(request: web.Request) -> web.StreamResponse:
    """Choose the way of one request."""
    state = request.app[STATE]
    if (request.path + "/").startswith(PREFIX + "/"):
        return await own_page(state, request)
    carried = match(request.method, target(request), request.headers)
    if carried is None:
        state.metrics.passed()
        return await relay(request, state.upstream, uploading(request))
    return await search(state, request, carried)


async def search(state: State, request: web.Request, carried: Carried) -> web.StreamResponse:
    """Rerank what a request carries, or send it on as it came with the reason why not."""
    arrived = time.monotonic()
    whole, parts = await limited(request.content.iter_any(), state.settings.max_body)
    if whole is None:
        return await _sent_on(state, request, left_alone(Why.TOO_LARGE), _rest(parts, request))
    body = _decoded(request, whole, state.settings.max_body)
    exchange = Exchange(state, request, carried, body or b"", arrived)
    try:
        done = left_alone(Why.FORMAT) if body is None else await _done(exchange)
    except UpstreamError as error:
        log.warning("upstream failed", path=request.path, reason=str(error))
        outcomes = left_alone(Why.ENGINE_ERROR).outcomes
        state.metrics.searched(outcomes, exchange.engine, 0.0)
        return gateway_error(str(error), header(outcomes))
    if done.body is None:
        return await _sent_on(state, request, done, whole)
    return _finished(exchange, done, done.body)


async def _done(exchange: Exchange) -> Done:
    """Go the way of the request's endpoint."""
    if exchange.request.headers.get(_MODE, "").strip().lower() == "off":
        return left_alone(Why.OFF)
    try:
        return await FLOWS[exchange.carried.endpoint](exchange)
    except UpstreamError:
        raise
    except Exception:
        log.exception("search not reranked", path=exchange.request.path)
        return broken()


async def _sent_on(
    state: State, request: web.Request, done: Done, body: bytes | AsyncIterator[bytes]
) -> web.StreamResponse:
    """Send a request on as it came."""
    said = header(done.outcomes)
    if said:
        state.metrics.searched(done.outcomes, 0.0, 0.0)
        log.debug("search left alone", path=request.path, outcome=said)
    else:
        state.metrics.passed()
    return await relay(request, state.upstream, body, said, done.to)


def _finished(exchange: Exchange, done: Done, body: bytes) -> web.StreamResponse:
    """Write the answer: an error of ours, or a body of ours below the engine's own head."""
    rerank = max(0.0, time.monotonic() - exchange.arrived - exchange.engine)
    said = header(done.outcomes)
    exchange.state.metrics.searched(done.outcomes, exchange.engine, rerank)
    log.debug("search planned", path=exchange.request.path, outcome=said)
    own = {"X-Rerank": said} if said else {}
    if done.status != HTTPStatus.OK:
        return web.Response(status=done.status, body=body, content_type="application/json", headers=own)
    packed = exchange.packed(body)
    exchange.headers.update(own)
    exchange.headers.add("Server-Timing", f"engine;dur={exchange.engine * 1e3:.1f}, rerank;dur={rerank * 1e3:.1f}")
    return WholeAnswer(body=packed, headers=exchange.headers)


def _decoded(request: web.Request, body: bytes, most: int) -> bytes | None:
    """Decode the body's coding; None for a coding that is not gzip, or too much."""
    coding = request.headers.get("Content-Encoding", "identity").lower()
    if coding == "gzip":
        return unzipped(body, most)
    return body if coding == "identity" else None


async def _rest(parts: list[bytes], request: web.Request) -> AsyncIterator[bytes]:
    """Stream what was read of a body that is too large to plan, and then the rest of it."""
    for part in parts:
        yield part
    async for chunk in request.content.iter_any():
        yield chunk


async def _running(app: web.Application) -> AsyncIterator[None]:
    """Start the reranker beside the endpoint, and close all connections after it."""
    state = app[STATE]
    starting = asyncio.create_task(state.reranker.start())
    yield
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting
    await state.reranker.close()
    await state.upstream.close()
