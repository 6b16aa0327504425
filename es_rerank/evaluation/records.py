"""A file with one record per query, from which an interrupted command continues. Format: JSON Lines."""

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
    """How a record is stored.

    Attributes:
        name: What a record is, for error messages.
        dump: Returns a record as JSON values.
        load: Returns the record of JSON values. Raises KeyError or TypeError if they are malformed.

    """

    name: str
    dump: Callable[[Record], Mapping[str, Any]]
    load: Callable[[Mapping[str, Any]], Record]


class Records(Generic[Record]):
    """The records that are done, by query. With a path, they are also in a file, each written when it is done."""

    def __init__(self, conditions: Mapping[str, Any], form: RecordFormat[Record], path: Path | None = None) -> None:
        """Read the file, if it exists.

        Args:
            conditions: What the records depend on, as JSON values, such as the index and the template.
            form: How a record is stored.
            path: The file; None to keep the records in memory only.

        Raises:
            InputError: If the file is malformed, or its records were made under other conditions.

        """
        self._path = path
        self._form = form
        # As they are read again: without tuples and enumerations.
        self._conditions = json.loads(json.dumps(conditions))
        self._done: dict[str, tuple[Mapping[str, Any], Record]] = {}
        # Bytes of the complete lines.
        self._size = 0
        if path and path.exists():
            self._read(path)

    def get(self, query: Query) -> Record | None:
        """Return the record of a query; None if it is not done, or the query has changed."""
        asked, record = self._done.get(query.id, ({}, None))
        return record if asked == _asked(query) else None

    @contextmanager
    def writer(self) -> Iterator[RecordWriter[Record]]:
        """Open the file to add records. A last line that was cut off, when a process was killed, is removed."""
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
        """Raise InputError if the file's records were made under other conditions."""
        for name in {**conditions, **self._conditions}:
            if conditions.get(name) != self._conditions.get(name):
                raise source.error(line, "differs from that of this evaluation; use another file", name)


class RecordWriter(Generic[Record]):
    """Adds records to the done ones and to their file."""

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
        asked = _asked(query)
        self._done[query.id] = (asked, record)
        self.write({**asked, **self._form.dump(record)})

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one line, and hand it to the operating system, which keeps it if this process is killed."""
        if self._file:
            self._file.write(json.dumps(row).encode() + b"\n")
            self._file.flush()


def _asked(query: Query) -> Mapping[str, Any]:
    """Return the part of a line that identifies the query."""
    return {"query": {"id": query.id, "text": query.text, "fields": dict(query.fields)}}
