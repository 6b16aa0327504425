"""Several processes on the same addresses: started, watched, started anew when one dies, and stopped together."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

import structlog

from es_rerank.cli.reload import LOOK_SECONDS, Changes, Reread
from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.config.types import UNIX
from es_rerank.net.tls import server_context
from es_rerank.server.listen.sockets import Sockets, address, bind_all
from es_rerank.server.metrics import SHARED_FOLDER, forget
from es_rerank.server.state import build

log = structlog.get_logger()

_PAUSE_SECONDS = 1.0
_GRACE_SECONDS = 30.0
_MOST_WAKES = 64

Work = Callable[[Settings, Sockets, Rules], None]
"""What one process does, with the sockets it is given and its own where none are, and with the rules in force."""


def supervise(settings: Settings, reread: Reread, work: Work) -> None:
    """Run *work* in as many processes as the settings say, until SIGINT or SIGTERM.

    Raises EsRerankError where an address cannot be had or a file cannot be used, before any process starts.
    """
    rules = build(settings).rules
    server_context(settings)
    bound = bind_all(settings)
    with tempfile.TemporaryDirectory(prefix="es-rerank-metrics-") as folder:
        os.environ[SHARED_FOLDER] = folder
        team = Team(settings, work, bound, Latest(settings, rules, reread))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: team.stop())
        signal.signal(signal.SIGHUP, lambda *_: team.reload())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        team.run()


class Latest:
    """What a process that starts now works by: `rules`, the last ones that could be used, as those have that run.

    Each of these reads its files by itself, and says what is wrong with them.
    """

    def __init__(self, settings: Settings, rules: Rules, reread: Reread) -> None:
        """Begin with the *settings* and *rules* of the start."""
        self.rules = rules
        self.watches = settings.reload == "change"
        self._settings = settings
        self._reread = reread
        self._changes = Changes(settings, reread)

    def look(self) -> None:
        """Read what has changed, if that is wanted."""
        if self.watches and self._changes.seen():
            self.read()

    def read(self) -> None:
        """Read anew; where anything is wrong all stays as it was."""
        with suppress(Exception):
            settings = self._reread()
            rules = Rules(settings)
            server_context(self._settings)
            self.rules, self._changes.settings = rules, settings


class Team:
    """The processes. State: which run, and whether they shall."""

    def __init__(self, settings: Settings, work: Work, bound: Sockets, latest: Latest) -> None:
        """Prepare to run *work*; *bound* keeps the addresses while no process has them."""
        places = {name: address(sockets[0]) for name, sockets in bound._asdict().items() if sockets}
        # The port that was found for all of them.
        found = {name: place for name, place in places.items() if getattr(settings, name).endswith(":0")}
        # A path cannot be bound twice, so all take connections from one socket; of a port each has its own.
        paths = {name: getattr(bound, name) for name, place in places.items() if place.startswith(UNIX)}
        self._settings = settings.model_copy(update=found)
        self._sockets = Sockets(**paths)
        self._bound = bound
        self._work = work
        self._latest = latest
        self._processes: list[SpawnProcess] = []
        self._wanted = True
        self._stale = False
        self._woken, self._wake = os.pipe()

    def run(self) -> None:
        """Keep all processes running until told to stop, then wait for them to finish what is under way."""
        self._processes = [self._started() for _ in range(self._settings.workers)]
        while self._wanted:
            sentinels = [one.sentinel for one in self._processes]
            found = wait([*sentinels, self._woken], LOOK_SECONDS if self._latest.watches else None)
            if self._woken in found:
                os.read(self._woken, _MOST_WAKES)
            if self._stale:
                self._reload()
            self._latest.look()
            if self._wanted and set(sentinels) & set(found):
                self._replace()
        self._end()
        log.info("all workers stopped")

    def stop(self) -> None:
        """Ask for the end, and those who take their time for it once more; a signal may call it."""
        if self._wanted:
            self._wanted = False
            os.write(self._wake, b".")
        else:
            for one in self._processes:
                one.terminate()

    def reload(self) -> None:
        """Ask for a reload; a signal may call it."""
        self._stale = True
        os.write(self._wake, b".")

    def _reload(self) -> None:
        """Have all processes reload."""
        self._stale = False
        self._latest.read()
        for one in self._processes:
            if one.pid and one.is_alive():
                os.kill(one.pid, signal.SIGHUP)

    def _started(self) -> SpawnProcess:
        """Start one process."""
        arguments = (self._settings, self._sockets, self._latest.rules)
        process = multiprocessing.get_context("spawn").Process(target=self._work, args=arguments)
        # It inherits this: a signal waits there until it is listened to.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        return process

    def _replace(self) -> None:
        """Start a process in the place of each that died."""
        dead = [one for one in self._processes if one.exitcode is not None]
        for one in dead:
            log.error("worker died, another takes its place", pid=one.pid, exit_code=one.exitcode)
            forget(one.pid or 0)
        # One that dies at once must not be started as fast as the machine can.
        wait([self._woken], timeout=_PAUSE_SECONDS)
        if self._wanted:
            alive = [one for one in self._processes if one not in dead]
            self._processes = [*alive, *(self._started() for _ in dead)]

    def _end(self) -> None:
        """Stop all; one that does not end in time is killed."""
        for one in self._processes:
            one.terminate()
        limit = time.monotonic() + _GRACE_SECONDS + (self._settings.drain_delay or 0.0)
        for one in self._processes:
            one.join(max(0.0, limit - time.monotonic()))
            one.kill()
        self._bound.close()
