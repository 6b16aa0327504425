"""Stores one record per query in a JSON Lines file, so that an interrupted command can be continued."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from es_rerank.evaluation.source import InputError, Source
from es_rerank.evaluation.values import Query

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class RecordFormat(Generic[Record]):
    """Converts records to JSON values and back.

    Attributes:
        name: Description of a record for error messages, such as `a search of an evaluation`.
        dump: Converts a record to JSON values.
        load: Converts JSON values to a record. Raises KeyError or TypeError if they are malformed.

    """

    name: str
    dump: Callable[[Record], Mapping[str, Any]]
    load: Callable[[Mapping[str, Any]], Record]


class Records(Generic[Record]):
    """Holds one record per query, and appends each new record to a file if a path is given."""

    def __init__(self, conditions: Mapping[str, Any], form: RecordFormat[Record], path: Path | None = None) -> None:
        """Read the file if it exists.

        Args:
            conditions: The inputs that all records depend on, such as the index and the template, as JSON values.
            form: Converts records to JSON values and back.
            path: The file; None to keep the records in memory only.

        Raises:
            InputError: If the file is malformed, or was written with other *conditions*.

        """
        self._path = path
        self._form = form
        # Converted like the conditions in the file, so that both can be compared: tuples become lists.
        self._conditions = json.loads(json.dumps(conditions))
        self._done: dict[str, tuple[Mapping[str, Any], Record]] = {}
        # Number of bytes up to the end of the last complete line.
        self._size = 0
        if path and path.exists():
            self._read(path)

    def get(self, query: Query) -> Record | None:
        """Return the record of a query; None if it has no record with its current text and fields."""
        recorded, record = self._done.get(query.id, ({}, None))
        return record if recorded == _query_values(query) else None

    @contextmanager
    def writer(self) -> Iterator[RecordWriter[Record]]:
        """Open the file for appending, and remove an incomplete last line, which a killed process leaves.

        Yields:
            The writer for new records.

        Raises:
            InputError: If the file cannot be written.

        """
        if self._path is None:
            yield RecordWriter(self._done, self._form, None)
            return
        try:
            with self._path.open("ab") as file:
                file.truncate(self._size)
                writer = RecordWriter(self._done, self._form, file)
                if not self._size:
                    writer.write(self._conditions)
                yield writer
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written: {error.strerror}") from error

    def _read(self, path: Path) -> None:
        """Read the complete lines of the file."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error
        self._size = content.rfind(b"\n") + 1
        source = Source(path, content[: self._size].decode("utf-8", "replace"))
        for number, (line, row) in enumerate(source.json_lines()):
            if number == 0:
                self._check(source, line, row)
                continue
            try:
                self._done[row["query"]["id"]] = ({"query": row["query"]}, self._form.load(row))
            except (KeyError, TypeError):
                raise source.error(line, f"is not {self._form.name}") from None

    def _check(self, source: Source, line: int, conditions: Mapping[str, Any]) -> None:
        """Raise InputError if the file was written with other conditions."""
        for name in {**conditions, **self._conditions}:
            if conditions.get(name) != self._conditions.get(name):
                raise source.error(line, "the file was written with another value: use another file", name)


class RecordWriter(Generic[Record]):
    """Adds new records to the records in memory and to the file."""

    def __init__(
        self,
        done: dict[str, tuple[Mapping[str, Any], Record]],
        form: RecordFormat[Record],
        file: BinaryIO | None,
    ) -> None:
        """Add records to *done* and, unless it is None, to *file*."""
        self._done = done
        self._form = form
        self._file = file

    def add(self, query: Query, record: Record) -> None:
        """Add the record of a query."""
        values = _query_values(query)
        self._done[query.id] = (values, record)
        self.write({**values, **self._form.dump(record)})

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one line, and flush it, so that it is not lost if this process is killed."""
        if self._file:
            self._file.write(json.dumps(row).encode() + b"\n")
            self._file.flush()


def _query_values(query: Query) -> Mapping[str, Any]:
    """Return the query as JSON values, as stored in each line."""
    return {"query": {"id": query.id, "text": query.text, "fields": dict(query.fields)}}
