"""The page docs/compatibility.md, generated from the results of the client matrix."""

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
_MAX_MESSAGE_CHARACTERS = 200
_TEXT = """# Clients and engines

This table shows which clients work with which engines through es-rerank. For each client, a small program in
[tests/live/clients](../tests/live/clients) uses a running engine in the way an application does. The program runs
twice: directly against the engine, and through es-rerank with a policy that keeps the engine's scores and a model that
keeps the engine's order. Both runs must return the same ids, scores, counts and errors. Each cell has the number of
[steps](#the-steps) of the program that succeed, out of all steps. The numbers in superscript refer to the
[notes](#notes).

{table}

*as elasticsearch-8* (or *elasticsearch-9*) means that the client does not work with the engine directly. For such a
cell, es-rerank ran with [`--emulate elasticsearch-8`](reference.md#clients-of-another-engine-or-version) (or
`elasticsearch-9`).

The tests run the minimal distributions of the engines, which are published in Maven repositories. These lack modules of
the vendors' full distributions. That is why some notes report that `GET /`, points in time or API keys are missing.

To regenerate this page, run `.venv/bin/pytest tests/live/test_matrix.py --update-cases`. Without `--update-cases`, the
test fails if its results differ from this page.

## Notes

Most notes name the steps that fail, followed by the error. A note that starts with "Without `--emulate`" shows the
error that the client gets when it connects to the engine directly.

{notes}

## The steps

Each client runs its steps in this order. A step is named after what the client does or the API that it calls:

{steps}
"""


class Notes:
    """The notes of the page, numbered in the order of their first use."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def number(self, line: str) -> int:
        if line not in self.lines:
            self.lines.append(line)
        return self.lines.index(line) + 1

    def marks(self, lines: Iterable[str]) -> str:
        numbers = sorted({self.number(line) for line in lines})
        return f" <sup>{', '.join(map(str, numbers))}</sup>" if numbers else ""


def page(matrix: Matrix) -> str:
    """Return the text of the page."""
    cells, notes = matrix.cells(), Notes()
    head = ["", *(_title(column, matrix, notes) for column in COLUMNS)]
    rows = [[_row(client), *(_cell(cells[column, client], client, notes) for column in COLUMNS)] for client in CLIENTS]
    numbered = "\n".join(f"{number}. {line}" for number, line in enumerate(notes.lines, 1))
    return _TEXT.format(table=table(head, rows), notes=numbered, steps=_steps(cells))


def _title(column: Column, matrix: Matrix, notes: Notes) -> str:
    title = f"{column.title} {ENGINES[column.engine].version}"
    if not column.security:
        return title
    note = f"Clients use a password, because a request for an API key returns `{_short(matrix.keys[column])}`."
    return f"{title}, TLS and users" + notes.marks([note])


def _row(client: Client) -> str:
    name = re.sub(r"-\d+$", "", client.name)
    return f"{name} {client.version}"


def _cell(cell: Cell, client: Client, notes: Notes) -> str:
    count = f"{passed(cell.best)} of {len(cell.best)}"
    if not cell.is_presented:
        return count + notes.marks(failures(cell.best))
    errors = Counter(_error(step.outcome) for step in cell.direct.values() if not step.ok)
    usual, _ = errors.most_common(1)[0]
    return f"{count} as {client.presented}" + notes.marks([*failures(cell.best), f"Without `--emulate`: {usual}"])


def failures(run: Run) -> Iterator[str]:
    """List the errors of a run, each with the names of the steps that failed with this error."""
    failed: dict[str, list[str]] = {}
    for name, step in run.items():
        if not step.ok:
            failed.setdefault(_error(step.outcome), []).append(name)
    for error, names in failed.items():
        yield f"{', '.join(names) if len(names) < len(run) else 'every step'}: {error}"


def counts(text: str) -> list[int]:
    """Return the number of successful steps of each cell of a page."""
    return [int(count) for count in re.findall(r"\| (\d+) of \d+", text)]


def _error(outcome: str) -> str:
    """Return an error; the client's exception class is removed if the error is a response of the engine."""
    return f"`{_short(re.sub(r'^[A-Za-z]+: (?=[1-5][0-9]{2} )', '', outcome))}`"


def _short(text: str) -> str:
    line = " ".join(text.split()).replace("`", "'")
    return line if len(line) <= _MAX_MESSAGE_CHARACTERS else f"{line[:_MAX_MESSAGE_CHARACTERS]}…"


def _steps(cells: Mapping[tuple[Column, Client], Cell]) -> str:
    """Return a table with the steps of each client; clients with the same steps share a row."""
    taken: dict[str, list[str]] = {}
    for client in CLIENTS:
        steps = ", ".join(cells[COLUMNS[0], client].direct)
        taken.setdefault(steps, []).append(client.name)
    return table(("clients", "steps"), ((", ".join(names), steps) for steps, names in taken.items()))
