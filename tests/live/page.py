"""A page of docs/ that a test run writes: headings, each with a table of results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
Row = Sequence[object]


@dataclass
class Table:
    """A section with one table; the first cell of a row is the name of the row.

    Columns in `measured` hold the values of the run that wrote the page; they are not compared.
    """

    page: Path
    heading: str
    words: str
    columns: Sequence[str]
    measured: frozenset[str] = frozenset()
    rows: dict[str, Row] = field(default_factory=dict)

    def found(self, name: str, *cells: object) -> None:
        """Add a row."""
        self.rows[name] = (name, *cells)

    def check(self, names: Sequence[str], *, update: bool) -> None:
        """Compare the page with the rows of these names, or update it."""
        assert sorted(self.rows) == sorted(names), "run all of this module: the page is written from all of its rows"
        rows = [[str(cell) for cell in self.rows[name]] for name in names]
        if update:
            self._write(rows)
        assert self._settled(self.read()) == self._settled(rows)
        assert self.page.read_text(encoding="utf-8").count(self._head()) == 1

    def read(self) -> list[list[str]]:
        """Read the rows of the page."""
        _, own, _ = self._parts()
        lines = own.removeprefix(self._head()).splitlines()
        return [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]

    def column(self, name: str) -> list[str]:
        """Read one column of the page."""
        return [row[self.columns.index(name)] for row in self.read()]

    def _settled(self, rows: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return rows without the measured columns."""
        kept = [at for at, name in enumerate(self.columns) if name not in self.measured]
        return [[row[at] for at in kept] for row in rows]

    def _head(self) -> str:
        rule = ["---"] * len(self.columns)
        return f"{self.heading}\n\n{self.words.strip()}\n\n{_line(self.columns)}\n{_line(rule)}\n"

    def _write(self, rows: Sequence[Sequence[str]]) -> None:
        before, _, after = self._parts()
        own = self._head() + "".join(f"{_line(row)}\n" for row in rows)
        sections = [part.strip("\n") for part in (before, own, after) if part.strip()]
        self.page.write_text("\n\n".join(sections) + "\n", encoding="utf-8")

    def _parts(self) -> tuple[str, str, str]:
        """Split the page into the text before the section, the section, and the text after it."""
        text = self.page.read_text(encoding="utf-8")
        before, heading, rest = f"\n{text}".partition(f"\n{self.heading}\n")
        if not heading:
            return text, "", ""
        own, mark, after = rest.partition("\n## ")
        return before, f"{self.heading}\n{own}\n", mark + after


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
