"""Restarts parts that end, with the same folder and port."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.process import POLL_SECONDS
from es_rerank_lab.parts.running import Running

# Delay before a restart. It doubles each time that the part ends before it has run for _STABLE_SECONDS.
_MIN_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 1.0, 60.0
_STABLE_SECONDS = 60.0


class Supervisor:
    """A context manager that restarts parts that have ended, with one thread per part, until its block ends.

    The supervisor does not stop parts.
    """

    def __init__(self, parts: Sequence[Running], report: Callable[[str], None]) -> None:
        """Prepare to supervise *parts*. *report* is called with a line of text for each event, from any thread."""
        self._report = report
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._keep, args=(part,), daemon=True) for part in parts]

    def __repr__(self) -> str:
        """Return the number of parts, and whether the supervision has ended."""
        return f"Supervisor(parts={len(self._threads)}, over={self._over.is_set()})"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _keep(self, part: Running) -> None:
        """Restart a part each time it ends."""
        pause, started = _MIN_PAUSE_SECONDS, -math.inf
        while not self._over.wait(POLL_SECONDS):
            if part.exit_code is None:
                continue
            stable = time.monotonic() - started >= _STABLE_SECONDS
            pause = _MIN_PAUSE_SECONDS if stable else min(2 * pause, _MAX_PAUSE_SECONDS)
            self._report(f"{part.title} ended with exit code {part.exit_code}; restarting in {pause:g} s")
            # Processes that the part started can outlive it, and hold memory that the next start needs.
            part.process.kill()
            if self._over.wait(pause):
                return
            self._start(part)
            started = time.monotonic()

    def _start(self, part: Running) -> None:
        """Restart a part. If it does not respond, kill it, so that it is restarted again."""
        begun = time.monotonic()
        try:
            part.again(unless=self._over.is_set)
        except PartError as error:
            self._report(str(error))
            part.process.kill()
            return
        if not self._over.is_set():
            self._report(f"{part.title} answers again after {time.monotonic() - begun:.0f} s")
