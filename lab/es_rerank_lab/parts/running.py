"""A part that runs: its process, and the folder that is deleted with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from es_rerank_lab.parts.cache import RunFolder
from es_rerank_lab.parts.process import Process, await_ready

# A start with compiled code and a model in the disk's cache takes a minute at most; this is for slow machines.
START_LIMIT_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Running:
    """A running server at a URL; a context manager that stops it and deletes its folder.

    `title` names it to people; `ready` asks it whether it answers.
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
        """None while it runs; negative where a signal ended it."""
        return self.process.exit_code

    @property
    def log(self) -> Path:
        """The server's output; in its folder, and gone with it, unless the caller named the file."""
        return self.process.log

    def again(self, unless: Callable[[], bool] = lambda: False) -> None:
        """Start the server once more, in its folder and at its URL, and return when it answers or *unless* says yes.

        Its data is what the one before left. Raises PartError where it ends or hangs at its start.
        """
        self.process.again()
        await_ready(self.process, lambda: unless() or self.ready(), self.title, START_LIMIT_S)

    def stop(self) -> None:
        """End the server and delete its folder. Harmless when it has ended."""
        self.process.stop()
        self.run.remove()

    def kill(self) -> None:
        """Kill the server at once and delete its folder. Harmless when it has ended."""
        self.process.kill()
        self.run.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
