"""Write docs/compatibility.md from the results of a run of the client matrix."""

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

Each client of this table is a small program in [tests/live/clients](../tests/live/clients) that uses a running engine
as an application does. It runs twice: directly against the engine, and through es-rerank with a model that keeps the
order. Both runs must return the same ids, scores, counts and errors. A cell counts the steps that succeed both ways.

{table}

*as elasticsearch-8* (or 9): the client rejects this engine, so it runs through es-rerank with
[`--emulate elasticsearch-8`](reference.md#clients-of-another-engine-or-version).

The engines are the minimal distributions in Maven repositories. They lack modules of the vendors' full distributions,
so that some notes are about a missing `GET /`, points in time or API keys.

The page is generated: `.venv/bin/pytest tests/live/test_matrix.py --update-cases`. Without the option, the run fails
if the table differs from its result.

{notes}

## The steps

{steps}
"""


class Notes:
    """Notes, numbered in the order of their first use."""

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
    """Return the page."""
    cells, notes = matrix.cells(), Notes()
    head = ["", *(_title(column, matrix, notes) for column in COLUMNS)]
    rows = [[_row(client), *(_cell(cells[column, client], client, notes) for column in COLUMNS)] for client in CLIENTS]
    numbered = "\n".join(f"{number}. {line}" for number, line in enumerate(notes.lines, 1))
    return _TEXT.format(table=table(head, rows), notes=numbered, steps=_steps(cells))


def _title(column: Column, matrix: Matrix, notes: Notes) -> str:
    title = f"{column.title} {ENGINES[column.engine].version}"
    if not column.security:
        return title
    note = f"Clients use a password; a request for an API key returns `{_short(matrix.keys[column])}`."
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
    """List the errors of a run, each with the steps that had it."""
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
    """Return an engine's error without the exception class of the client, and a client's own error with it."""
    return f"`{_short(re.sub(r'^[A-Za-z]+: (?=[1-5][0-9]{2} )', '', outcome))}`"


def _short(text: str) -> str:
    line = " ".join(text.split()).replace("`", "'")
    return line if len(line) <= _MAX_MESSAGE_CHARACTERS else f"{line[:_MAX_MESSAGE_CHARACTERS]}…"


def _steps(cells: Mapping[tuple[Column, Client], Cell]) -> str:
    """List the steps of each client."""
    taken: dict[str, list[str]] = {}
    for client in CLIENTS:
        steps = ", ".join(cells[COLUMNS[0], client].direct)
        taken.setdefault(steps, []).append(client.name)
    return "\n".join(f"- {', '.join(names)}: {steps}." for steps, names in taken.items())
