"""Logs searches and the ids of the hits that clients get, in the schema of User Behavior Insights (UBI)."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import msgspec
import structlog

from es_rerank.errors import ConfigError
from es_rerank.model import Search
from es_rerank.pipeline import SearchResult
from es_rerank.search.recorded import ubi_record
from es_rerank.search.response.hits import keys, read
from es_rerank.server.concurrency import compute

log = structlog.get_logger()

_INTERVAL_SECONDS = 1.0
# Maximum size of the records that wait to be written. If they exceed it, further records are dropped.
_MAX_WAITING_BYTES = 32 * 1024 * 1024
# The file has the queries of users.
_MODE = 0o600


def _now() -> str:
    """Return the current time in the format that UBI requires: ISO 8601 with a time zone."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class UbiLog:
    """Writes records to a file every second, if there is a file. State: the records that are not yet written."""

    def __init__(self, path: Path | None, now: Callable[[], str] = _now) -> None:
        """Create a log that appends to the file *path*. None disables the log.

        Raises:
            ConfigError: The file cannot be opened.

        """
        self._path = path
        self._now = now
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        try:
            self._append(b"")
        except OSError as error:
            raise ConfigError(f"ubi_log: {path}: cannot be opened: {error.strerror}") from error

    def __repr__(self) -> str:
        """Show the file and the number of records that are not yet written."""
        return f"<UbiLog {self._path}, {len(self._waiting)} waiting>"

    async def add(self, search: Search, result: SearchResult, headers: Mapping[str, str]) -> None:
        """Add the record of a search, unless the log is disabled, or the hits have no ids.

        Args:
            search: The search.
            result: The result of the search. A search is not recorded if its response is an error or the engine's own.
            headers: The request headers. `X-Opaque-Id` is the id of the search, if `ext.ubi` has none.

        """
        if self._path is None or result.body is None or result.window is None:
            return
        ids = await compute(len(result.body), _ids, result.body)
        if all(ids):
            record = ubi_record(result.window.plan, search.body, ids)
            key = headers.get("X-Opaque-Id") or str(uuid4())
            named = {"query_id": key, **record, "query_response_id": str(uuid4())}
            self._keep(msgspec.json.encode({"timestamp": self._now(), **named}) + b"\n")

    async def run(self) -> None:
        """Write the records every second."""
        while self._path is not None:
            await asyncio.sleep(_INTERVAL_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write the waiting records. If this fails, they are lost, and the failure is logged."""
        lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
        try:
            if lines:
                await asyncio.to_thread(self._append, b"".join(lines))
        except OSError as error:
            log.warning("UBI log not written", path=str(self._path), reason=error.strerror, records=len(lines))

    def _keep(self, record: bytes) -> None:
        """Keep a record in memory until it is written, or drop it if too many bytes are waiting."""
        if self._waiting_bytes + len(record) <= _MAX_WAITING_BYTES:
            self._waiting.append(record)
            self._waiting_bytes += len(record)

    def _append(self, lines: bytes) -> None:
        """Append lines to the file. It is opened each time, because it may be rotated."""
        if self._path is not None:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _MODE)
            try:
                _append_all(file, lines)
            finally:
                os.close(file)


def _append_all(file: int, lines: bytes) -> None:
    """Append all lines, or none of them: a disk that becomes full may take only the first part.

    Raises:
        OSError: The lines cannot be written.

    """
    with suppress(OSError):
        # Other workers write to the file, too. Not every file can be locked.
        fcntl.flock(file, fcntl.LOCK_EX)
    size = os.fstat(file).st_size
    try:
        while lines:
            lines = lines[os.write(file, lines) :]
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, size)
        raise


def _ids(body: bytes) -> list[str]:
    """Return the ids of the hits of a response."""
    return [key.id for key in keys(read(body).hits)]
