"""The aiohttp application of the endpoint. It starts the background tasks, and closes all connections at shutdown."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import structlog
from aiohttp import web

from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.server.dispatch import dispatch, dispatch_any
from es_rerank.server.responses import remove_library_headers
from es_rerank.server.state import STATE, State, build

log = structlog.get_logger()

# Time limit for completing requests in flight at shutdown, and the last part of this time, in which searches that still
# wait for scores are answered in the engine's order.
_GRACE_SECONDS, _RESERVED_SECONDS = 10.0, 1.0
_GAUGE_INTERVAL_SECONDS = 1.0
_RESTART_SECONDS = 1.0


def application(settings: Settings, rules: Rules | None = None) -> web.Application:
    """Return the aiohttp application of one endpoint.

    Args:
        settings: The active settings.
        rules: The active rules; None reads them from the folder in the settings.

    Raises:
        ConfigError: A file named in the settings cannot be used.

    """
    app = web.Application(client_max_size=settings.max_body, middlewares=[dispatch_any])
    app[STATE] = build(settings, rules)
    app.cleanup_ctx.append(_running)
    app.on_shutdown.append(_stop_scoring)
    app.on_response_prepare.append(remove_library_headers)
    app.router.add_route("*", "/{path:(?s:.*)}", dispatch, expect_handler=_confirm_expectation)
    return app


def runner(settings: Settings, rules: Rules | None = None) -> web.AppRunner:
    """Return an application runner for `listen.site`. If a client disconnects, its search is canceled."""
    return web.AppRunner(application(settings, rules), handler_cancellation=True, shutdown_timeout=_GRACE_SECONDS)


async def _confirm_expectation(request: web.Request) -> None:
    """Send `100 Continue` if the client expects it. Requests with other expectations are rejected later."""
    if request.headers["Expect"].strip().lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def _stop_scoring(app: web.Application) -> None:
    """At shutdown, let searches wait for scores until shortly before the timeout. Then they get the engine's order."""
    asyncio.get_running_loop().call_later(_GRACE_SECONDS - _RESERVED_SECONDS, app[STATE].reranker.give_up)


async def _update_gauges(state: State) -> None:
    """Update this worker's metrics every second, because any worker may receive the request for the metrics."""
    while True:
        state.metrics.update(state.reranker)
        await asyncio.sleep(_GAUGE_INTERVAL_SECONDS)


async def _kept_running(work: Callable[[], Awaitable[None]]) -> None:
    """Run a background task until it ends. If it fails, start it again."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("background task failed, it is started again")
            await asyncio.sleep(_RESTART_SECONDS)


async def _running(app: web.Application) -> AsyncIterator[None]:
    """Start the background tasks with the application. At shutdown, stop them and close all connections."""
    state = app[STATE]
    works = (partial(_update_gauges, state), state.reranker.start, state.reranker.recover, state.ubi_log.run)
    tasks = [asyncio.create_task(_kept_running(work)) for work in works]
    yield
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await state.ubi_log.flush()
    await state.shadows.close()
    await state.indices.close()
    await state.reranker.close()
    await state.upstream.close()
