"""Writes docs/compatibility.md from what a run of the matrix found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from es_rerank_lab.parts.distribution import ENGINES
from tests.docs import ROOT, table

from .clients import CLIENTS, Client
from .clients.run import Run, passed
from .columns import COLUMNS, Column
from .matrix import Cell, Matrix

PAGE = ROOT / "docs" / "compatibility.md"
_LONGEST = 200
_TEXT = """# Clients and engines

Each client below is a small program in [tests/live/clients](../tests/live/clients) that does on a running engine what
an application does. It runs twice: against the engine, and through an endpoint that reranks its searches with a model
that changes no order. Both must see the same: every id, score, count and error. The table counts the steps that go well
both ways.

It is written by the run and never by hand: `.venv/bin/pytest tests/live/test_matrix.py --update-cases`; without the
flag the run fails where the table is not what it found.

{table}

*as elasticsearch-8* (or 9): the client does not take this engine as it is; it does the steps through an endpoint that
was started with `--emulate elasticsearch-8`.

The engines are the small distributions that Maven repositories carry. They lack modules of the vendors' whole ones, so
that a note below may name a limit of theirs: no `GET /`, no points in time, no API keys.

{notes}

## The steps

{steps}
"""


class Notes:
    """Numbers notes in the order of their first use."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def number(self, line: str) -> int:
        if line not in self.lines:
            self.lines.append(line)
        return self.lines.index(line) + 1

    def marks(self, lines: Iterable[str]) -> str:
        found = sorted({self.number(line) for line in lines})
        return f" <sup>{', '.join(map(str, found))}</sup>" if found else ""


def page(matrix: Matrix) -> str:
    """Write the whole page."""
    cells, notes = matrix.cells(), Notes()
    head = ["", *(_title(column, matrix, notes) for column in COLUMNS)]
    rows = [[_row(client), *(_cell(cells[column, client], client, notes) for column in COLUMNS)] for client in CLIENTS]
    numbered = "\n".join(f"{number}. {line}" for number, line in enumerate(notes.lines, 1))
    return _TEXT.format(table=table(head, rows), notes=numbered, steps=_steps(cells))


def _title(column: Column, matrix: Matrix, notes: Notes) -> str:
    title = f"{column.title} {ENGINES[column.engine].version}"
    if not column.security:
        return title
    said = f"Clients come with a password. Asked for an API key the engine says `{_short(matrix.keys[column])}`."
    return f"{title}, TLS and users" + notes.marks([said])


def _row(client: Client) -> str:
    name = re.sub(r"-\d+$", "", client.name)
    return f"{name} {client.version}"


def _cell(cell: Cell, client: Client, notes: Notes) -> str:
    count = f"{passed(cell.best)} of {len(cell.best)}"
    if not cell.is_presented:
        return count + notes.marks(failures(cell.best))
    refusals = Counter(_said(step.outcome) for step in cell.direct.values() if not step.ok)
    usual, _ = refusals.most_common(1)[0]
    return f"{count} as {client.presented}" + notes.marks([*failures(cell.best), f"Without `--emulate`: {usual}"])


def failures(run: Run) -> Iterator[str]:
    """Say what went wrong, once for all steps that say the same."""
    failed: dict[str, list[str]] = {}
    for name, step in run.items():
        if not step.ok:
            failed.setdefault(_said(step.outcome), []).append(name)
    for said, names in failed.items():
        yield f"{', '.join(names) if len(names) < len(run) else 'every step'}: {said}"


def counts(text: str) -> list[int]:
    """Read the numbers of steps that go well from a page, cell by cell."""
    return [int(count) for count in re.findall(r"\| (\d+) of \d+", text)]


def _said(outcome: str) -> str:
    """Keep an engine's own words without the class that a client wraps them in; a client's own, with it."""
    return f"`{_short(re.sub(r'^[A-Za-z]+: (?=[1-5][0-9]{2} )', '', outcome))}`"


def _short(text: str) -> str:
    line = " ".join(text.split()).replace("`", "'")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _steps(cells: Mapping[tuple[Column, Client], Cell]) -> str:
    """List which client takes which steps."""
    taken: dict[str, list[str]] = {}
    for client in CLIENTS:
        steps = ", ".join(cells[COLUMNS[0], client].direct)
        taken.setdefault(steps, []).append(client.name)
    return "\n".join(f"- {', '.join(names)}: {steps}." for steps, names in taken.items())
