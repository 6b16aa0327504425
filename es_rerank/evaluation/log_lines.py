"""Reads logs line by line, because they can be larger than memory. Errors name the file, the line and the field."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from es_rerank.evaluation.source import InputError, Source

_BOM = "\ufeff"
_DELIMITERS = ("\t", ",", ";")


def log_error(path: Path, line: int, problem: str, field: str = "") -> InputError:
    """Return the error for a problem in a line and a field of a log."""
    return Source(path, "").error(line, problem, field)


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file in UTF-8.

    Raises:
        InputError: If the file cannot be read.

    """
    read = 0
    try:
        with path.open("rb") as file:
            for line in file:
                read += 1
                yield line.decode().removeprefix(_BOM)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise log_error(path, read, "cannot be read: it is not UTF-8") from None


def json_objects(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects of a JSON Lines file, with their line numbers from 1.

    Raises:
        InputError: If the file cannot be read, or a line is not a JSON object.

    """
    for number, line in enumerate(text_lines(path), 1):
        try:
            row = json.loads(line) if line.strip() else None
        except json.JSONDecodeError as error:
            raise log_error(path, number, f"not valid JSON: {error.msg}") from None
        except RecursionError:
            raise log_error(path, number, "not valid JSON: nested too deeply") from None
        if isinstance(row, dict):
            yield number, row
        elif line.strip():
            raise log_error(path, number, "must be a JSON object")


def table_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a CSV or TSV file, with their line numbers from 1. The first line determines the delimiter.

    Raises:
        InputError: If the file cannot be read, is empty or not valid CSV, or a row has more or fewer columns than the
            first.

    """
    first = next(text_lines(path), "")
    reader = csv.reader(text_lines(path), delimiter=max(_DELIMITERS, key=first.count), strict=True)
    columns = 0
    try:
        for row in reader:
            columns = columns or len(row)
            if row and len(row) != columns:
                raise log_error(path, reader.line_num, f"has {len(row)} columns; the header has {columns}")
            if row:
                yield reader.line_num, [cell.strip() for cell in row]
    except csv.Error as error:
        raise log_error(path, reader.line_num, f"not valid CSV: {error}") from None
    if not columns:
        raise InputError(f"{path}: is empty")
