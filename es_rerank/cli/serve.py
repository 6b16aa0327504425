"""`es-rerank serve`: run the endpoint until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import signal
from typing import Any

import click
import structlog
import uvloop
from aiohttp import web

from es_rerank.cli.logs import configure
from es_rerank.cli.options import setting_options, settings_from
from es_rerank.config import Settings, host_and_port, in_force
from es_rerank.errors import EsRerankError
from es_rerank.server import runner

log = structlog.get_logger()


@click.command()
@setting_options
def serve(**flags: Any) -> None:
    """Run the endpoint: point clients at it instead of at the engine."""
    settings = settings_from(flags)
    configure(settings.log_level)
    uvloop.run(_until_stopped(settings))


async def _until_stopped(settings: Settings) -> None:
    """Listen until SIGINT or SIGTERM; requests under way are finished first."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    running = runner(settings)
    await running.setup()
    try:
        await listen(running, settings)
        shown = {name: in_force(settings)[name] for name in ("upstream", "reranker", "backend", "profile")}
        log.info("listening", url=f"http://{settings.listen}", page=f"http://{settings.listen}/_rerank/", **shown)
        await stopped.wait()
    finally:
        await running.cleanup()
    log.info("stopped")


async def listen(running: web.AppRunner, settings: Settings) -> None:
    """Open the port. Raises EsRerankError if it cannot be had."""
    host, port = host_and_port(settings)
    try:
        await web.TCPSite(running, host, port).start()
    except OSError as error:
        reason = "it is taken by another program" if error.errno == errno.EADDRINUSE else str(error)
        raise EsRerankError(f"cannot listen on {settings.listen}: {reason}; choose another with --listen") from error
