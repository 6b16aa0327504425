"""Reads the text files of an evaluation. Errors name the file, the line and the field."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from es_rerank.errors import EsRerankError
from es_rerank.jsonspan import elements, members

JsonPath = tuple[str | int, ...]
"""The path of a value in a JSON file: names of members and positions in arrays."""
Place = int | JsonPath
"""A place in a file: a line, from 1, or the path of a JSON value."""

_DELIMITERS = ("\t", ",", ";")


class InputError(EsRerankError):
    """A file that cannot be used. The message names the file, the line and the field."""


@dataclass(frozen=True, slots=True)
class Source:
    """The path and the text of a file."""

    path: Path
    text: str

    def error(self, place: Place | None, problem: str, field: str = "") -> InputError:
        """Return an error for *problem* in *field* at *place*. The place is None if the problem concerns the file."""
        line = self._line_of(place) if isinstance(place, tuple) else place
        where = f"{self.path}" if line is None else f"{self.path}:{line}"
        return InputError(f"{where}: {field}: {problem}" if field else f"{where}: {problem}")

    @property
    def lines(self) -> Iterator[tuple[int, str]]:
        """The lines that are not blank, with their numbers from 1."""
        return ((number, line) for number, line in enumerate(self.text.splitlines(), 1) if line.strip())

    def json(self) -> Any:
        """Return the file as JSON. Raises InputError if it is malformed."""
        return self._json(self.text, 1)

    def json_lines(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield the objects of a JSON Lines file, with their line numbers. Raises InputError if a line is malformed."""
        for number, line in self.lines:
            row = self._json(line, number)
            if not isinstance(row, dict):
                raise self.error(number, "must be a JSON object")
            yield number, row

    def _json(self, text: str, first: int) -> Any:
        """Parse JSON that starts in line *first*."""
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise self.error(first + error.lineno - 1, f"not valid JSON: {error.msg}") from None
        except RecursionError:
            raise self.error(first, "not valid JSON: nested too deeply") from None

    def _line_of(self, path: JsonPath) -> int:
        """Return the line of a value in a JSON file."""
        part, offset = self.text.encode(), 0
        for step in path:
            span = members(part)[step] if isinstance(step, str) else elements(part)[step]
            part, offset = span.of(part), offset + span.start
        return self.text.encode()[:offset].count(b"\n") + 1

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows of a CSV or TSV file, with line numbers. The first row determines the delimiter."""
        first = next(self.lines, (1, ""))[1]
        delimiter = max(_DELIMITERS, key=first.count)
        # In a tab-separated file, quotation marks are text.
        quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
        reader = csv.reader(self.text.splitlines(keepends=True), delimiter=delimiter, quoting=quoting, strict=True)
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield reader.line_num, [cell.strip() for cell in row]
        except csv.Error as error:
            raise self.error(reader.line_num, f"not valid CSV: {error}") from None


def read(path: Path) -> Source:
    """Return the content of a text file in UTF-8. Raises InputError if it cannot be read or is empty."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: cannot be read: it is not UTF-8") from None
    if not text.strip():
        raise InputError(f"{path}: is empty")
    return Source(path, text)


def plain_name(name: str) -> str:
    """Return a column name in lower case without spaces, hyphens and underscores: `Doc ID` and `doc_id` are equal."""
    return re.sub(r"[\s_-]", "", name).lower()


def column(names: Sequence[str], known: Sequence[str]) -> int | None:
    """Return the position of the first column whose plain name is in *known*; None if there is none."""
    plain = [plain_name(name) for name in names]
    return next((plain.index(name) for name in known if name in plain), None)
