"""Keeps parts running: one that ends is started again, in its folder, on its port."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.process import POLL_S
from es_rerank_lab.parts.running import Running

# The pause before a start, doubled for a part that ended soon after the start before.
_FIRST_S, _MOST_S = 1.0, 60.0
_SOON_S = 60.0


class Supervisor:
    """Watches parts while its block runs, each in a thread of its own; *say* is told, in a line, of all it does.

    What has ended before the block is started again too. After the block no part is started any more; to stop the
    parts is left to whom they belong.
    """

    def __init__(self, parts: Sequence[Running], say: Callable[[str], None]) -> None:
        self._say = say
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._keep, args=(part,), daemon=True) for part in parts]

    def __enter__(self) -> Self:
        for one in self._threads:
            one.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for one in self._threads:
            one.join()

    def _keep(self, part: Running) -> None:
        """Start one part again whenever it ends."""
        pause, started = _FIRST_S, -math.inf
        while not self._over.wait(POLL_S):
            if part.exit_code is None:
                continue
            pause = min(2 * pause, _MOST_S) if time.monotonic() - started < _SOON_S else _FIRST_S
            self._say(f"{part.title} ended with exit code {part.exit_code}; it is started again in {pause:g} s")
            if self._over.wait(pause):
                return
            self._start(part)
            started = time.monotonic()

    def _start(self, part: Running) -> None:
        """Start a part again; one that does not come up is left ended, for the next try."""
        begun = time.monotonic()
        try:
            part.again(unless=self._over.is_set)
        except PartError as error:
            self._say(str(error))
            part.process.kill()
            return
        if not self._over.is_set():
            self._say(f"{part.title} answers again, after {time.monotonic() - begun:.0f} s")
