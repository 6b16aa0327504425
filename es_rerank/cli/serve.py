"""`es-rerank serve`: run the endpoint until a signal stops it."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from typing import Any

import click
import structlog
import uvloop
from aiohttp import web

from es_rerank.cli import workers
from es_rerank.cli.logs import configure
from es_rerank.cli.options import setting_options
from es_rerank.cli.reload import SettingsReader, reload, watching
from es_rerank.config.loading import in_force
from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.net.tracing import TRACING
from es_rerank.server.admin.pages import PREFIX
from es_rerank.server.app import runner
from es_rerank.server.listen.site import Sites, listen
from es_rerank.server.listen.sockets import NONE, Sockets, bind_all
from es_rerank.server.metric_files import share_metrics
from es_rerank.server.state import STATE, State

log = structlog.get_logger()

# Signals within this time after the first signal count as the same request to stop. A worker can receive two signals:
# one from a service manager that signals all processes, and one from its parent process.
_REPEATED_SIGNAL_SECONDS = 0.5
_HANDLED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_LOGGED_SETTINGS = ("upstream", "reranker", "backend", "profile")


@click.command()
@setting_options
def serve(**flags: Any) -> None:
    """Run the endpoint in front of Elasticsearch or OpenSearch.

    Connect clients to it instead of to the engine. Every setting can also be an environment variable or a key of the
    settings file.
    """
    # Block SIGHUP until its handler is installed, because its default action ends the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    read_settings = SettingsReader(flags)
    settings = read_settings()
    configure(settings.log_level)
    raise_file_limit()
    if settings.workers > 1:
        workers.supervise(settings, read_settings, partial(work, read_settings))
        for number in _HANDLED:
            signal.signal(number, signal.SIG_IGN)
    else:
        uvloop.run(_until_exit(settings, read_settings))


def raise_file_limit() -> None:
    """Allow as many open files as the hard limit, for the connections. The soft limit is usually 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems limit the number further.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def work(read_settings: SettingsReader, settings: Settings, bound: Sockets, rules: Rules) -> None:
    """Run the endpoint in a worker process until it is stopped."""
    configure(settings.log_level)
    share_metrics()
    uvloop.run(_until_exit(settings, read_settings, bound, rules))


async def _until_exit(settings: Settings, read_settings: SettingsReader, *shared: Any) -> None:
    """Run the endpoint until it is stopped. Ignore further signals, so that the process then exits with status 0."""
    await until_stopped(settings, read_settings, *shared)
    loop = asyncio.get_running_loop()
    for number in _HANDLED:
        # The loop would set the default action when it is closed.
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)


async def until_stopped(
    settings: Settings, read_settings: SettingsReader, bound: Sockets = NONE, rules: Rules | None = None
) -> None:
    """Run the endpoint until SIGINT or SIGTERM is received, or, in a worker, until the parent process ends.

    Requests in flight are completed before this function returns. SIGHUP reloads rules and certificates.

    Args:
        settings: The settings at startup.
        read_settings: Reads the settings again for a reload.
        bound: Sockets to listen on. Addresses without a socket are bound here.
        rules: The rules to use; if None, they are read from the rule files.

    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    if parent := multiprocessing.parent_process():
        loop.add_reader(parent.sentinel, stopped.set)
    # Addresses are bound first, so that a port in use is reported at once.
    with closing(bind_all(settings, bound)) as addresses:
        if settings.tracing:
            TRACING.start()
        await _serve(runner(settings, rules), addresses, stopped, read_settings)
    await asyncio.to_thread(TRACING.stop)
    log.info("stopped")


async def _serve(running: web.AppRunner, bound: Sockets, stopped: asyncio.Event, read_settings: SettingsReader) -> None:
    """Serve requests on the sockets until *stopped* is set, and then until requests in flight are completed."""
    loop = asyncio.get_running_loop()
    await running.setup()
    state = running.app[STATE]
    settings = state.settings
    try:
        sites = await listen(running, settings, bound)
        loop.add_signal_handler(signal.SIGHUP, reload, state, sites, read_settings)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        _log_listening(sites, settings)
        exclude_from_collections()
        async with watching(state, sites, read_settings), _awaiting_engine(state):
            await stopped.wait()
        state.life.draining = True
        if settings.drain_delay:
            log.info("draining", seconds=settings.drain_delay)
            await _drain(stopped, settings.drain_delay)
    finally:
        # From now on, ignore requests to reload.
        loop.add_signal_handler(signal.SIGHUP, lambda: None)
        if parent := multiprocessing.parent_process():
            loop.remove_reader(parent.sentinel)
        await running.cleanup()


def exclude_from_collections() -> None:
    """Exclude the objects that exist after startup from garbage collections, because they live as long as the process.

    A full collection would visit all of them, and block the event loop for about 50 ms.
    """
    gc.collect()
    gc.freeze()


@asynccontextmanager
async def _awaiting_engine(state: State) -> AsyncIterator[None]:
    """Check in the background whether the engine can be reached, and log an error if it cannot."""
    task = asyncio.create_task(state.reachability.await_engine(state.settings.upstream))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _log_listening(sites: Sites, settings: Settings) -> None:
    """Log the addresses that the endpoint listens on and the most important settings."""
    shown = {name: in_force(settings)[name] for name in _LOGGED_SETTINGS}
    log.info("listening", url=sites.names[0], admin_url=f"{sites.pages[0]}{PREFIX}/", **shown)


async def _drain(stopped: asyncio.Event, seconds: float) -> None:
    """Wait for *seconds*, or until a second signal to stop."""
    repeated = min(_REPEATED_SIGNAL_SECONDS, seconds)
    await _ignore_repeated_signals(repeated)
    stopped.clear()
    with suppress(TimeoutError):
        await asyncio.wait_for(stopped.wait(), seconds - repeated)


async def _ignore_repeated_signals(seconds: float) -> None:
    """Wait for *seconds*. Signals in this time do not count as a second request to stop."""
    await asyncio.sleep(seconds)
