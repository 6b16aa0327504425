"""A server that the demo or a test has started, with its process and its temporary folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from es_rerank_lab.parts.cache import RunFolder
from es_rerank_lab.parts.process import Process, await_ready

# A start takes up to a minute with compiled byte code and a model in the page cache, and longer on slow machines.
START_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Running:
    """A running server. As a context manager, it stops the server and deletes its temporary folder on exit.

    Attributes:
        title: The name of the server in messages.
        url: The base URL.
        process: The process.
        run: The temporary folder.
        ready: Returns whether the server responds.

    """

    title: str
    url: str
    process: Process = field(repr=False)
    run: RunFolder = field(repr=False)
    ready: Callable[[], bool] = field(repr=False)

    @property
    def pid(self) -> int:
        """The process ID, which is also the ID of its process group."""
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, or the negative number of the signal that ended the process; None while it runs."""
        return self.process.exit_code

    @property
    def log(self) -> Path:
        """The log file. It is deleted with the temporary folder, unless the caller chose a path outside of it."""
        return self.process.log

    def again(self, unless: Callable[[], bool] = lambda: False) -> None:
        """Restart the server with the same folder, data and URL, and wait until it responds or *unless* returns True.

        Raises PartError if the server ends during startup or does not respond within 300 seconds.
        """
        self.process.again()
        await_ready(self.process, lambda: unless() or self.ready(), self.title, START_TIMEOUT_SECONDS)

    def stop(self) -> None:
        """Stop the server and delete its temporary folder. Further calls have no effect."""
        self.process.stop()
        self.run.remove()

    def kill(self) -> None:
        """Kill the server and delete its temporary folder. Further calls have no effect."""
        self.process.kill()
        self.run.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
