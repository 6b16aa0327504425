"""Runs several worker processes on the same addresses, and replaces workers that die.

gunicorn is not used, because its worker for aiohttp creates the server itself. It would have no admin address, no PROXY
protocol, and none of the request checks of `server.listen`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

import structlog

from es_rerank.cli import reload
from es_rerank.cli.reload import ChangeDetector, SettingsReader, load_configuration
from es_rerank.config.addresses import UNIX
from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.net.tls import check_certificates
from es_rerank.server.listen.sockets import Sockets, address, bind_shared
from es_rerank.server.metrics import SHARED_FOLDER, forget
from es_rerank.server.state import build

log = structlog.get_logger()

# Delay before a dead worker is replaced, so that a worker that dies at startup is not restarted in a busy loop.
_RESTART_DELAY_SECONDS = 1.0
# Time after the drain delay in which workers complete requests in flight, before they are killed.
_GRACE_SECONDS = 30.0
_MAX_WAKE_BYTES = 64

Work = Callable[[Settings, Sockets, Rules], None]
"""The main function of a worker. Its arguments are the settings, the sockets that workers share, and the rules."""


def supervise(settings: Settings, read_settings: SettingsReader, work: Work) -> None:
    """Run *work* in `settings.workers` processes until SIGINT or SIGTERM is received.

    Raises:
        EsRerankError: If an address is not available or a file is invalid. In that case, no process is started.

    """
    bound = bind_shared(settings)
    try:
        rules = build(settings).rules
        check_certificates(settings)
    except BaseException:
        bound.close()
        raise
    with tempfile.TemporaryDirectory(prefix="es-rerank-metrics-") as folder:
        os.environ[SHARED_FOLDER] = folder
        team = Team(settings, work, bound, LatestRules(settings, rules, read_settings))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: team.stop())
        signal.signal(signal.SIGHUP, lambda *_: team.reload())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        team.run()


class LatestRules:
    """The latest valid rules. A new worker is started with them, so that it has the same rules as the running workers.

    Errors in the files are ignored here, because the running workers read the files, too, and log the errors.

    Attributes:
        rules: The latest valid rules.
        watches: Whether file changes trigger a reload.

    """

    def __init__(self, settings: Settings, rules: Rules, read_settings: SettingsReader) -> None:
        """Store the *settings* and *rules* that were read at startup."""
        self.rules = rules
        self.watches = settings.reload == "change"
        self._settings = settings
        self._read_settings = read_settings
        self._detector = ChangeDetector(settings, read_settings)

    def __repr__(self) -> str:
        """Show the names of the rules, and whether file changes trigger a reload."""
        return f"LatestRules({[rule.name for rule in self.rules]}, watches={self.watches})"

    def poll(self) -> None:
        """Read the rules again if a file has changed and file changes trigger a reload."""
        if self.watches and self._detector.changed():
            self.read()

    def read(self) -> None:
        """Read the rules again. After an error, keep the previous rules."""
        with suppress(Exception):
            self._detector.settings, self.rules = load_configuration(
                self._read_settings, partial(check_certificates, self._settings)
            )


class Team:
    """The worker processes of one endpoint."""

    def __init__(self, settings: Settings, work: Work, bound: Sockets, latest: LatestRules) -> None:
        """Prepare to run *work*.

        Args:
            settings: The settings.
            work: The main function of a worker.
            bound: Sockets that reserve the addresses until the workers listen on them.
            latest: The rules for new workers.

        """
        addresses = {name: address(sockets[0]) for name, sockets in bound._asdict().items() if sockets}
        # The operating system has replaced port 0 by a free port, which all workers use.
        chosen = {name: place for name, place in addresses.items() if getattr(settings, name).endswith(":0")}
        # Each worker binds TCP ports itself. A Unix socket cannot be bound twice, so workers share it.
        shared = {name: getattr(bound, name) for name, place in addresses.items() if place.startswith(UNIX)}
        self._settings = settings.model_copy(update=chosen)
        self._sockets = Sockets(**shared)
        self._bound = bound
        self._work = work
        self._latest = latest
        self._processes: list[SpawnProcess] = []
        self._wanted = True
        self._reload_requested = False
        self._woken, self._wake = os.pipe()

    def __repr__(self) -> str:
        """Show the process IDs, and whether the workers are being stopped."""
        return f"Team(pids={[process.pid for process in self._processes]}, stopping={not self._wanted})"

    def run(self) -> None:
        """Run the workers until `stop()` is called, then wait until they have completed the requests in flight."""
        self._processes = [self._started() for _ in range(self._settings.workers)]
        while self._wanted:
            sentinels = [process.sentinel for process in self._processes]
            timeout = reload.POLL_SECONDS if self._latest.watches else None
            ready = wait([*sentinels, self._woken], timeout)
            if self._woken in ready:
                os.read(self._woken, _MAX_WAKE_BYTES)
            if self._reload_requested:
                self._reload()
            self._latest.poll()
            if self._wanted and set(sentinels) & set(ready):
                self._replace()
        self._end()
        log.info("all workers stopped")

    def stop(self) -> None:
        """Stop all workers. A second call ends a drain delay. Safe to call in a signal handler."""
        if self._wanted:
            self._wanted = False
            os.write(self._wake, b".")
        else:
            for process in self._processes:
                process.terminate()

    def reload(self) -> None:
        """Request a reload. Safe to call in a signal handler."""
        if not self._reload_requested:
            self._reload_requested = True
            os.write(self._wake, b".")

    def _reload(self) -> None:
        """Read the rules again and send SIGHUP to all workers."""
        self._reload_requested = False
        self._latest.read()
        for process in self._processes:
            if process.pid and process.is_alive():
                os.kill(process.pid, signal.SIGHUP)

    def _started(self) -> SpawnProcess:
        """Start and return one worker."""
        arguments = (self._settings, self._sockets, self._latest.rules)
        process = multiprocessing.get_context("spawn").Process(target=self._work, args=arguments)
        # The worker inherits the signal mask, so SIGHUP stays pending until the worker has installed its handler.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        return process

    def _replace(self) -> None:
        """Start a new worker for each worker that died."""
        dead = [process for process in self._processes if process.exitcode is not None]
        for process in dead:
            log.error("worker died, starting a replacement", pid=process.pid, exit_code=process.exitcode)
            forget(process.pid or 0)
        wait([self._woken], timeout=_RESTART_DELAY_SECONDS)
        if self._wanted:
            alive = [process for process in self._processes if process not in dead]
            self._processes = [*alive, *(self._started() for _ in dead)]

    def _end(self) -> None:
        """Stop all workers, and kill those that do not end in time."""
        for process in self._processes:
            process.terminate()
        limit = time.monotonic() + _GRACE_SECONDS + (self._settings.drain_delay or 0.0)
        for process in self._processes:
            process.join(max(0.0, limit - time.monotonic()))
            process.kill()
        self._bound.close()
