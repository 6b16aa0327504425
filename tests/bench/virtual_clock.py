"""An asyncio event loop on a virtual clock: whenever all tasks wait, the time jumps to the next timer."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar
from unittest.mock import patch

Result = TypeVar("Result")


class _VirtualSelector(selectors.SelectSelector):
    """Advances the clock instead of waiting. `now` is the time in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("all tasks wait, and there is no timer")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time starts at 0. Threads and processes are an error, because they take real time."""

    def __init__(self) -> None:
        self._clock = _VirtualSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def run_in_executor(self, *_arguments: Any) -> NoReturn:
        raise RuntimeError("a thread takes real time")


def run_virtually(main: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run a coroutine on the virtual clock, which is also `time.monotonic` until it has ended."""
    loop = VirtualLoop()
    with patch("time.monotonic", loop.time), asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main())
