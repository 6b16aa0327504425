"""`es-rerank serve`: run the endpoint until it is told to stop."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from contextlib import suppress
from functools import partial
from typing import Any

import click
import structlog
import uvloop

from es_rerank.cli import workers
from es_rerank.cli.logs import configure
from es_rerank.cli.options import setting_options
from es_rerank.cli.reload import Reread, reload, watching
from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings, in_force
from es_rerank.server.admin.pages import PREFIX
from es_rerank.server.app import runner
from es_rerank.server.listen.site import listen
from es_rerank.server.listen.sockets import NONE, Sockets, bind_all
from es_rerank.server.state import STATE

log = structlog.get_logger()

# What comes so soon after the first signal is the same wish: of a service manager that tells all processes, and of the
# parent of this one.
_ONCE_SECONDS = 0.5
_SHOWN = ("upstream", "reranker", "backend", "profile")


@click.command()
@setting_options
def serve(**flags: Any) -> None:
    """Run the endpoint: point clients at it instead of at the engine."""
    # Until there is somebody who takes it, it waits; by itself it would end the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    reread = Reread(flags)
    settings = reread()
    configure(settings.log_level)
    if settings.workers > 1:
        workers.supervise(settings, reread, partial(work, reread))
    else:
        uvloop.run(until_stopped(settings, reread))


def work(reread: Reread, settings: Settings, bound: Sockets, rules: Rules) -> None:
    """Run one of several processes."""
    configure(settings.log_level)
    uvloop.run(until_stopped(settings, reread, bound, rules))


async def until_stopped(settings: Settings, reread: Reread, bound: Sockets = NONE, rules: Rules | None = None) -> None:
    """Listen, on *bound* and on sockets of its own, until SIGINT or SIGTERM, or until the parent of a worker is gone.

    Requests under way are finished first. SIGHUP has rules and certificates read anew; without *rules* they are read
    at the start.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    parent = multiprocessing.parent_process()
    if parent:
        loop.add_reader(parent.sentinel, stopped.set)
    running = runner(settings, rules)
    await running.setup()
    try:
        sites = await listen(running, settings, bind_all(settings, bound))
        loop.add_signal_handler(signal.SIGHUP, reload, running.app[STATE], sites, reread)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        shown = {name: in_force(settings)[name] for name in _SHOWN}
        log.info("listening", url=sites.names[0], page=f"{sites.pages[0]}{PREFIX}/", **shown)
        async with watching(running.app[STATE], sites, reread):
            await stopped.wait()
        running.app[STATE].life.draining = True
        if settings.drain_delay:
            log.info("draining", seconds=settings.drain_delay)
            await _drained(stopped, settings.drain_delay)
    finally:
        # There is nothing to reload for any more, but requests to be finished.
        loop.add_signal_handler(signal.SIGHUP, lambda: None)
        if parent:
            loop.remove_reader(parent.sentinel)
        await running.cleanup()
    log.info("stopped")


async def _drained(stopped: asyncio.Event, seconds: float) -> None:
    """Wait for so many seconds; whoever asks for the end a second time does not want to wait."""
    once = min(_ONCE_SECONDS, seconds)
    await asyncio.sleep(once)
    stopped.clear()
    with suppress(TimeoutError):
        await asyncio.wait_for(stopped.wait(), seconds - once)
