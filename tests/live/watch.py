"""Processes of the tests, whose logs are shown with a failure."""

from __future__ import annotations

from collections.abc import Iterator

from es_rerank_lab.parts.process import Process

_LINES = 30
_running: dict[str, Process] = {}


def watch(name: str, process: Process) -> None:
    """Show the log of a process with every failure; a new process of the same name replaces it."""
    _running[name] = process


def logs() -> Iterator[tuple[str, str]]:
    """Yield the name and the end of every log."""
    for name, process in _running.items():
        yield f"log of {name}", process.tail(_LINES)
