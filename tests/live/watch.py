"""Which processes run for the tests, so that a failure can show what they said."""

from __future__ import annotations

from collections.abc import Iterator

from es_rerank_lab.parts.process import Process

_LINES = 30
_running: dict[str, Process] = {}


def watch(name: str, process: Process) -> None:
    """Show the log of a process with every failure from now on; a new one of the same name takes its place."""
    _running[name] = process


def logs() -> Iterator[tuple[str, str]]:
    """Give the end of every log."""
    for name, process in _running.items():
        yield f"log of {name}", process.tail(_LINES)
