"""The endpoint: admin pages where they are served, searches through the pipeline, everything else passed through."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.errors import RequestError, UpstreamError
from es_rerank.model import Why, header
from es_rerank.net.content_encoding import decompress, read_limited
from es_rerank.net.messages import Body
from es_rerank.search.formats.endpoints import EndpointRequest, match
from es_rerank.server import client_request
from es_rerank.server.admin.pages import PREFIX, admin_page
from es_rerank.server.handlers import COMPAT_HANDLERS, HANDLERS
from es_rerank.server.handlers.context import Exchange
from es_rerank.server.handlers.result import HandlerResult, broken, pass_through
from es_rerank.server.listen.connection import AdminAccess, admin_access
from es_rerank.server.listen.request_checks import Rejection, RequestHead, check_request, malformed
from es_rerank.server.passthrough import gateway_error, relay
from es_rerank.server.responses import RerankHeaders, WholeAnswer, bare, error_answer
from es_rerank.server.state import STATE, State, build

log = structlog.get_logger()

# So long requests under way may take when the endpoint ends, and so long of it is kept for answers without the model.
_GRACE_SECONDS, _LAST_SECONDS = 10.0, 1.0
_TELLING_SECONDS = 1.0


def application(settings: Settings, rules: Rules | None = None) -> web.Application:
    """Make the aiohttp application of one endpoint; without *rules* they are read. Raises ConfigError."""
    app = web.Application(client_max_size=settings.max_body, middlewares=[_everything])
    app[STATE] = build(settings, rules)
    app.cleanup_ctx.append(_running)
    app.on_shutdown.append(_ending)
    app.on_response_prepare.append(bare)
    app.router.add_route("*", "/{path:(?s:.*)}", handle, expect_handler=_go_on)
    return app


def runner(settings: Settings, rules: Rules | None = None) -> web.AppRunner:
    """Make the runner, for `listen.site`; a client that goes away ends its search."""
    return web.AppRunner(application(settings, rules), handler_cancellation=True, shutdown_timeout=_GRACE_SECONDS)


@web.middleware
async def _everything(request: web.Request, handler: Handler) -> web.StreamResponse:  # noqa: ARG001
    """Answer each request, whatever the router makes of its target: `*` and the like are for us too."""
    return await handle(request)


async def _go_on(request: web.Request) -> None:
    """Tell a client that waits to send its body to go on; other expectations are refused later."""
    if request.headers["Expect"].strip().lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def handle(request: web.Request) -> web.StreamResponse:
    """Answer one request; a fault of ours is an error in the engines' shape, which no client tries again."""
    refused = check_request(RequestHead(request.method, request.raw_path, request.headers, request.version))
    if refused:
        return _refused(request, refused)
    try:
        return await _routed(request)
    except (RequestError, web.RequestPayloadError) as error:
        return _refused(request, malformed(str(error) or "the body of the request is malformed"))
    except Exception as error:
        log.exception("request failed", path=request.path)
        if request.writer.output_size:
            raise
        reason = f"es-rerank failed: {type(error).__name__}"
        return error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, "es_rerank_exception", reason)


def _refused(request: web.Request, found: Rejection) -> web.Response:
    """Refuse a request; what comes behind it on the connection is not read any more."""
    if found.silent and request.transport:
        request.transport.abort()
    if request.content.exception():
        # The server library waits for the rest of a body, and would meet the same fault again.
        request.content.feed_eof()
    answer = error_answer(found.status, found.kind, found.reason)
    answer.force_close()
    return answer


async def _routed(request: web.Request) -> web.StreamResponse:
    """Choose the way of one request."""
    state = request.app[STATE]
    if admin_access(request) is not AdminAccess.NONE and (request.path + "/").startswith(PREFIX + "/"):
        return await admin_page(state, request)
    carried = match(request.method, client_request.target(request), request.headers, state.endpoints)
    if carried is None:
        state.metrics.passed()
        return await relay(state, request, client_request.uploading(request))
    return await answer(state, request, carried)


async def answer(state: State, request: web.Request, carried: EndpointRequest) -> web.StreamResponse:
    """Answer what a request carries, or send it on as it came with the reason why."""
    arrived = time.monotonic()
    whole, parts = await read_limited(aiter(client_request.ClientBody(request)), state.settings.max_body)
    if whole is None and carried.ours:
        return _too_long(state.settings.max_body)
    if whole is None:
        return await _sent_on(
            state, request, pass_through(Why.TOO_LARGE), client_request.ClientBody(request, parts), ()
        )
    body = decompress(whole, request.headers.get("Content-Encoding", ""), state.settings.max_body)
    exchange = Exchange(state, request, carried, body or b"", arrived, client_request.deadline(request))
    try:
        done = pass_through(Why.FORMAT) if body is None else await _done(exchange)
    except UpstreamError as error:
        log.warning("upstream failed", path=request.path, reason=str(error))
        outcomes = pass_through(Why.ENGINE_ERROR).outcomes
        state.metrics.searched(outcomes, exchange.engine, 0.0)
        return gateway_error(str(error), RerankHeaders(header(outcomes)))
    if done.body is None:
        response = await _sent_on(state, request, done, whole, exchange.warnings)
    else:
        response = _finished(exchange, done, done.body)
    exchange.arrived = time.monotonic()
    state.shadows.begin(exchange.aside)
    return response


def _too_long(most: int) -> web.Response:
    """Refuse a body that is for no engine."""
    answer = error_answer(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "content_too_long_exception", f"the body is longer than {most} bytes"
    )
    answer.force_close()
    return answer


async def _done(exchange: Exchange) -> HandlerResult:
    """Go the way of the request's endpoint."""
    shown = COMPAT_HANDLERS.get(exchange.carried.endpoint)
    if shown is None and exchange.mode == "off":
        return pass_through(Why.OFF)
    try:
        return await (shown or HANDLERS[exchange.carried.endpoint])(exchange)
    except UpstreamError:
        raise
    except Exception:
        log.exception("search not reranked", path=exchange.request.path)
        return broken()


async def _sent_on(
    state: State, request: web.Request, done: HandlerResult, body: Body, warnings: Sequence[str]
) -> web.StreamResponse:
    """Send a request on as it came."""
    said = header(done.outcomes)
    if said:
        state.metrics.searched(done.outcomes, 0.0, 0.0)
        log.debug("search left alone", path=request.path, outcome=said)
    else:
        state.metrics.passed()
    return await relay(state, request, body, RerankHeaders(said, warnings), done.to)


def _finished(exchange: Exchange, done: HandlerResult, body: bytes) -> web.StreamResponse:
    """Write the answer: an error of ours, or a body of ours below the engine's own head."""
    rerank = max(0.0, time.monotonic() - exchange.arrived - exchange.engine)
    said = header(done.outcomes)
    aside = RerankHeaders(said, exchange.warnings)
    if said:
        exchange.state.metrics.searched(done.outcomes, exchange.engine, rerank)
        log.debug("search planned", path=exchange.request.path, outcome=said)
    else:
        exchange.state.metrics.passed()
    if done.status != HTTPStatus.OK:
        refused = web.Response(status=done.status, body=body, content_type="application/json")
        aside.onto(refused.headers)
        return refused
    packed = exchange.packed(body)
    aside.onto(exchange.headers)
    if said:
        exchange.headers.add("Server-Timing", f"engine;dur={exchange.engine * 1e3:.1f}, rerank;dur={rerank * 1e3:.1f}")
    return WholeAnswer(body=packed, headers=exchange.headers)


async def _ending(app: web.Application) -> None:
    """Let no search wait for the model so long that it would be cut off: it gets the engine's order before that."""
    asyncio.get_running_loop().call_later(_GRACE_SECONDS - _LAST_SECONDS, app[STATE].reranker.give_up)


async def _telling(state: State) -> None:
    """Tell the metrics again and again how the reranker stands, for whichever worker is asked for them."""
    while True:
        state.metrics.stands(state.reranker.health)
        await asyncio.sleep(_TELLING_SECONDS)


async def _running(app: web.Application) -> AsyncIterator[None]:
    """Start the reranker beside the endpoint, and close all connections after it."""
    state = app[STATE]
    telling = asyncio.create_task(_telling(state))
    starting = asyncio.create_task(state.reranker.start())
    yield
    for task in (telling, starting):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await state.shadows.close()
    await state.indices.close()
    await state.reranker.close()
    await state.upstream.close()
