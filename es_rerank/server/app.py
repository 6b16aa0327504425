"""The aiohttp application of the endpoint: its parts are started with it, and closed after it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.server.dispatch import dispatch, dispatch_any
from es_rerank.server.responses import remove_library_headers
from es_rerank.server.state import STATE, State, build

# How long requests in flight may take when the endpoint stops, and how much of it is reserved for searches that must
# be answered without the model.
_GRACE_SECONDS, _RESERVED_SECONDS = 10.0, 1.0
_GAUGE_INTERVAL_SECONDS = 1.0


def application(settings: Settings, rules: Rules | None = None) -> web.Application:
    """Return the aiohttp application of one endpoint.

    Args:
        settings: The settings in force.
        rules: The rules in force; None reads them from the folder that the settings name.

    Raises:
        ConfigError: A file that the settings name cannot be used.

    """
    app = web.Application(client_max_size=settings.max_body, middlewares=[dispatch_any])
    app[STATE] = build(settings, rules)
    app.cleanup_ctx.append(_running)
    app.on_shutdown.append(_stop_scoring)
    app.on_response_prepare.append(remove_library_headers)
    app.router.add_route("*", "/{path:(?s:.*)}", dispatch, expect_handler=_confirm_expectation)
    return app


def runner(settings: Settings, rules: Rules | None = None) -> web.AppRunner:
    """Return the runner of an application, for `listen.site`; a search is cancelled when its client disconnects."""
    return web.AppRunner(application(settings, rules), handler_cancellation=True, shutdown_timeout=_GRACE_SECONDS)


async def _confirm_expectation(request: web.Request) -> None:
    """Confirm `Expect: 100-continue`; other expectations are refused later."""
    if request.headers["Expect"].strip().lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def _stop_scoring(app: web.Application) -> None:
    """Answer searches that still wait for the model in the engine's order before they would be cut off."""
    asyncio.get_running_loop().call_later(_GRACE_SECONDS - _RESERVED_SECONDS, app[STATE].reranker.give_up)


async def _update_gauges(state: State) -> None:
    """Update the gauges of the reranker every second, for whichever worker is asked for metrics."""
    while True:
        state.metrics.update_reranker(state.reranker.health)
        await asyncio.sleep(_GAUGE_INTERVAL_SECONDS)


async def _running(app: web.Application) -> AsyncIterator[None]:
    """Start the reranker with the endpoint, and close all connections after it."""
    state = app[STATE]
    tasks = [asyncio.create_task(_update_gauges(state)), asyncio.create_task(state.reranker.start())]
    yield
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await state.shadows.close()
    await state.indices.close()
    await state.reranker.close()
    await state.upstream.close()
