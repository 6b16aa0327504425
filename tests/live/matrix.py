"""What every client gets from every engine: directly, through the endpoint, and where it takes neither, presented."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .clients import CLIENTS, Client
from .clients.run import Run, Target, complete, passed, run_client
from .columns import COLUMNS, Column, Stand, Stands

# What an engine says of itself, and how it scores, are its own; all else is the same on every engine.
_OWN_STEP = "info"
_OWN_KEYS = frozenset({"scores"})


@dataclass(frozen=True)
class Cell:
    """The runs of one client with one engine. *presented* is there only where the engine as it is was not enough.

    *reranked* counts the searches that the endpoints did not just pass on.
    """

    direct: Run
    through: Run
    presented: Run | None
    reranked: int

    @property
    def best(self) -> Run:
        """The run through an endpoint that does most."""
        return self.presented if self.is_presented and self.presented else self.through

    @property
    def is_presented(self) -> bool:
        return self.presented is not None and passed(self.presented) > passed(self.through)


class Matrix:
    """Runs a cell when it is first asked for."""

    def __init__(self, stands: Stands, folder: Path) -> None:
        """Take engines from *stands*, and lay programs out under *folder*."""
        self._stands = stands
        self._folder = folder
        self._cells: dict[tuple[Column, Client], Cell] = {}
        self.keys: dict[Column, str] = {}
        self.whole = False

    def cell(self, column: Column, client: Client) -> Cell:
        """Run a client directly and through the endpoint, at the same time, each in an index of its own."""
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
        """Run the whole matrix, or what is missing of it, engine by engine."""
        for column in COLUMNS:
            for client in CLIENTS:
                self.cell(column, client)
        return self._cells

    def _met(self, column: Column) -> Stand:
        """Have an engine answer, and note what it says of API keys, and whether it is a vendor's whole distribution."""
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
    """Keep of a run what every engine must agree on."""
    return {name: _without_own(step.saw) for name, step in run.items() if step.ok and name != _OWN_STEP}


def _without_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_own(inner) for name, inner in value.items() if name not in _OWN_KEYS}
    return [_without_own(inner) for inner in value] if isinstance(value, list) else value
