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
from es_rerank.model import Failed, Outcome, Skip, Why, failed, skipped
from es_rerank.pipeline import Reply, run
from es_rerank.relay import gateway_error, relay, target, uploading
from es_rerank.search import endpoints
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
    carried = endpoints.match(request.method, target(request), request.headers)
    if carried is None:
        state.metrics.passed()
        return await relay(request, state.upstream, uploading(request))
    return await search(state, request, carried)


async def search(state: State, request: web.Request, carried: endpoints.Carried) -> web.StreamResponse:
    """Rerank one search, or send it on as it came with the reason why not."""
    arrived = time.monotonic()
    whole, parts = await limited(request.content.iter_any(), state.settings.max_body)
    if whole is None:
        return await _left_alone(state, request, skipped(Why.TOO_LARGE), _rest(parts, request))
    body = _decoded(request, whole, state.settings.max_body)
    exchange = Exchange(state, request, carried, body or b"", arrived)
    try:
        reply = await _answered(exchange, body)
    except UpstreamError as error:
        log.warning("upstream failed", path=request.path, reason=str(error))
        state.metrics.searched(skipped(Why.ENGINE_ERROR), exchange.engine, 0.0)
        return gateway_error(str(error), skipped(Why.ENGINE_ERROR))
    if reply.body is None:
        return await _left_alone(state, request, reply.outcome, whole)
    return _finished(exchange, reply, reply.body)


async def _answered(exchange: Exchange, body: bytes | None) -> Reply:
    """Read the request and run the pipeline."""
    if exchange.request.headers.get(_MODE, "").strip().lower() == "off":
        return Reply(None, skipped(Why.OFF))
    if body is None:
        return Reply(None, skipped(Why.FORMAT))
    found = endpoints.read(exchange.carried, body)
    if isinstance(found, Skip):
        return Reply(None, skipped(found.why))
    try:
        return await run(found, exchange.effects())
    except UpstreamError:
        raise
    except Exception:
        log.exception("search not reranked", path=exchange.request.path)
        return Reply(None, failed(Failed(Why.INTERNAL)))


async def _left_alone(
    state: State, request: web.Request, outcome: Outcome, body: bytes | AsyncIterator[bytes]
) -> web.StreamResponse:
    """Send a search on as it came."""
    state.metrics.searched(outcome, 0.0, 0.0)
    log.debug("search left alone", path=request.path, why=outcome.why)
    return await relay(request, state.upstream, body, outcome)


def _finished(exchange: Exchange, reply: Reply, body: bytes) -> web.StreamResponse:
    """Write the answer of a planned search with the engine's own headers."""
    rerank = time.monotonic() - exchange.arrived - exchange.engine
    exchange.state.metrics.searched(reply.outcome, exchange.engine, rerank)
    log.debug("search planned", path=exchange.request.path, outcome=reply.outcome.header)
    if reply.outcome.state == "failed" and reply.rule and reply.rule.strict:
        return _strict(reply.outcome)
    packed = exchange.packed(body)
    exchange.headers["X-Rerank"] = reply.outcome.header
    exchange.headers.add("Server-Timing", f"engine;dur={exchange.engine * 1e3:.1f}, rerank;dur={rerank * 1e3:.1f}")
    return WholeAnswer(body=packed, headers=exchange.headers)


def _strict(outcome: Outcome) -> web.Response:
    """Answer a search whose rule wants an error instead of the engine's order; 500, which no client retries."""
    reason = f"{outcome.why}: {outcome.detail or 'no scores'}"
    headers = {"X-Rerank": outcome.header}
    return error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, "rerank_exception", reason, headers)


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
