"""The file of an evaluation's searches, from which an interrupted evaluation continues. Format: JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from es_rerank.evaluation.source import InputError, Source
from es_rerank.evaluation.values import FoundHit, Query, SearchRecord, Side

Searches = Mapping[Side, SearchRecord]


class Journal:
    """The searches that are done, by query. With a path, they are also in a file, each written when it is done."""

    def __init__(self, conditions: Mapping[str, Any], path: Path | None = None) -> None:
        """Read the file, if it exists.

        Args:
            conditions: What the searches depend on, as JSON values: URLs, index, template, number of hits.
            path: The file; None to keep the searches in memory only.

        Raises:
            InputError: If the file is malformed, or its searches were made under other conditions.

        """
        self._path = path
        self._conditions = dict(conditions)
        self._done: dict[str, tuple[Mapping[str, Any], Searches]] = {}
        # Bytes of the complete lines.
        self._size = 0
        if path and path.exists():
            self._read(path)

    def get(self, query: Query) -> Searches | None:
        """Return the searches for a query; None if they are not done, or the query has changed."""
        asked, searches = self._done.get(query.id, ({}, None))
        return searches if asked == _asked(query) else None

    @contextmanager
    def writer(self) -> Iterator[_Writer]:
        """Open the file to add searches. A last line that was cut off, when a process was killed, is removed."""
        if self._path is None:
            yield _Writer(self._done, None)
            return
        try:
            with self._path.open("ab") as file:
                file.truncate(self._size)
                writer = _Writer(self._done, file)
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
                searches = {side: _record(row[side]) for side in Side}
                self._done[row["query"]["id"]] = ({"query": row["query"]}, searches)
            except (KeyError, TypeError):
                raise source.error(line, "is not a search of an evaluation") from None

    def _check(self, source: Source, line: int, conditions: Mapping[str, Any]) -> None:
        """Raise InputError if the file's searches were made under other conditions."""
        for name in {**conditions, **self._conditions}:
            if conditions.get(name) != self._conditions.get(name):
                raise source.error(line, "differs from that of this evaluation; use another file", name)


class _Writer:
    """Adds searches to a journal and to its file."""

    def __init__(self, done: dict[str, tuple[Mapping[str, Any], Searches]], file: BinaryIO | None) -> None:
        self._done = done
        self._file = file

    def add(self, query: Query, searches: Searches) -> None:
        """Add the searches for a query."""
        asked = _asked(query)
        self._done[query.id] = (asked, searches)
        self.write({**asked, **{side: asdict(record) for side, record in searches.items()}})

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one line, and hand it to the operating system, which keeps it if this process is killed."""
        if self._file:
            self._file.write(json.dumps(row).encode() + b"\n")
            self._file.flush()


def _asked(query: Query) -> Mapping[str, Any]:
    """Return the part of a line that identifies the query."""
    return {"query": {"id": query.id, "text": query.text, "fields": dict(query.fields)}}


def _record(row: Mapping[str, Any]) -> SearchRecord:
    """Read a search from its JSON object."""
    return SearchRecord(tuple(FoundHit(**hit) for hit in row["hits"]), row["seconds"], row["outcome"])
