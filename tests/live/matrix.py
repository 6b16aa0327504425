"""Results of every client with every engine: directly, through the endpoint, and with an emulated engine if needed."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .clients import CLIENTS, Client
from .clients.run import Run, Target, complete, passed, run_client
from .columns import COLUMNS, Column, Stand, Stands

# The root response and the scores depend on the engine; everything else is the same on every engine.
_OWN_STEP = "info"
_OWN_KEYS = frozenset({"scores"})


@dataclass(frozen=True)
class Cell:
    """The runs of one client with one engine; *presented* is set if the client does not accept the engine itself.

    *reranked* is the number of searches that the endpoints reranked.
    """

    direct: Run
    through: Run
    presented: Run | None
    reranked: int

    @property
    def best(self) -> Run:
        """The run through an endpoint with the most successful steps."""
        return self.presented if self.is_presented and self.presented else self.through

    @property
    def is_presented(self) -> bool:
        return self.presented is not None and passed(self.presented) > passed(self.through)


class Matrix:
    """Runs a cell when it is first requested."""

    def __init__(self, stands: Stands, folder: Path) -> None:
        """Use the engines of *stands*, and copy programs to *folder*."""
        self._stands = stands
        self._folder = folder
        self._cells: dict[tuple[Column, Client], Cell] = {}
        self.keys: dict[Column, str] = {}
        self.whole = False

    def cell(self, column: Column, client: Client) -> Cell:
        """Run a client directly and through the endpoint, at the same time, each with its own index."""
        if (column, client) not in self._cells:
            stand = self._met(column)
            before = stand.reranked()
            places = {"direct": stand.direct, "through": stand.through()}
            with ThreadPoolExecutor(len(places)) as pool:
                runs = [pool.submit(self._run, client, target, name) for name, target in places.items()]
                direct, through = (run.result() for run in runs)
            presented = None
            if client.presented and not complete(direct):
                presented = self._run(client, stand.through(client.presented), "presented")
            self._cells[column, client] = Cell(direct, through, presented, stand.reranked() - before)
        return self._cells[column, client]

    def cells(self) -> Mapping[tuple[Column, Client], Cell]:
        """Run all missing cells of the matrix, engine by engine."""
        for column in COLUMNS:
            for client in CLIENTS:
                self.cell(column, client)
        return self._cells

    def _met(self, column: Column) -> Stand:
        """Start an engine, and record its support for API keys and whether it is a full distribution."""
        stand = self._stands.alive(column)
        if column not in self.keys:
            self.keys[column] = stand.api_key() if column.security else ""
            self.whole |= stand.whole()
        return stand

    def _run(self, client: Client, target: Target, place: str) -> Run:
        folder = self._folder / place
        folder.mkdir(exist_ok=True)
        return run_client(client, target, f"matrix-{client.name}-{place}", folder)


def common(run: Run) -> dict[str, Any]:
    """Return the part of a run that must be equal on every engine."""
    return {name: _without_own(step.saw) for name, step in run.items() if step.ok and name != _OWN_STEP}


def _without_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_own(inner) for name, inner in value.items() if name not in _OWN_KEYS}
    return [_without_own(inner) for inner in value] if isinstance(value, list) else value
