"""A running part: its process, and its temporary folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from es_rerank_lab.parts.cache import RunFolder
from es_rerank_lab.parts.process import Process, await_ready

# With compiled code and a model in the page cache a start takes at most a minute; slow machines need more.
START_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Running:
    """A running server; a context manager that stops it and deletes its folder.

    Attributes:
        title: Its name in messages.
        url: Its base URL.
        process: Its process.
        run: Its temporary folder.
        ready: Returns whether it answers.

    """

    title: str
    url: str
    process: Process = field(repr=False)
    run: RunFolder = field(repr=False)
    ready: Callable[[], bool] = field(repr=False)

    @property
    def pid(self) -> int:
        """The process id, also the id of its process group."""
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, or the negative signal number; None while it runs."""
        return self.process.exit_code

    @property
    def log(self) -> Path:
        """The log file; it is deleted with the folder, unless the caller chose another place."""
        return self.process.log

    def again(self, unless: Callable[[], bool] = lambda: False) -> None:
        """Restart the server, with its folder, data and URL, and return when it answers or *unless* returns True.

        Raises PartError if it ends or hangs during startup.
        """
        self.process.again()
        await_ready(self.process, lambda: unless() or self.ready(), self.title, START_TIMEOUT_SECONDS)

    def stop(self) -> None:
        """Stop the server and delete its folder. No effect if it has ended."""
        self.process.stop()
        self.run.remove()

    def kill(self) -> None:
        """Kill the server and delete its folder. No effect if it has ended."""
        self.process.kill()
        self.run.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
