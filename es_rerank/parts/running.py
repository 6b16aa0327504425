"""A part that runs: its process, and the folder that is deleted with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from es_rerank.parts.cache import RunFolder
from es_rerank.parts.process import Process


@dataclass(frozen=True, kw_only=True)
class Running:
    """A running server at a URL; a context manager that stops it and deletes its folder."""

    url: str
    process: Process = field(repr=False)
    run: RunFolder = field(repr=False)

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
