"""A request body in a temporary file, for requests whose headers depend on the whole body."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO

import structlog

from es_rerank.errors import RequestError
from es_rerank.net.messages import Stream

log = structlog.get_logger()

# A body that is larger than this is written to the disk.
_MAX_MEMORY_BYTES = 1024 * 1024
_CHUNK_BYTES = 256 * 1024


class BufferedBody(Stream):
    """A body that can be read more than once, until it is closed. `size` is its size in bytes."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        """Create a body from the content of *file*."""
        self._file = file
        self.size = size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the chunks of the body, from the start."""
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK_BYTES):
            yield chunk

    def close(self) -> None:
        """Close and remove the file."""
        self._file.close()


async def buffered(body: Stream, max_bytes: int) -> tuple[BufferedBody, str]:
    """Write a body to a temporary file, and compute its digest.

    Args:
        body: The body.
        max_bytes: Maximum size, in bytes.

    Returns:
        The body, which must be closed, and its SHA-256 digest in hexadecimal.

    Raises:
        RequestError: The body is malformed or longer than *max_bytes*, or the file cannot be written.

    """
    digest = hashlib.sha256()
    file = SpooledTemporaryFile(_MAX_MEMORY_BYTES)  # noqa: SIM115 - closed when the request has been sent
    size = 0
    try:
        async for chunk in body:
            size += len(chunk)
            _check_size(size, max_bytes)
            digest.update(chunk)
            _write(file, chunk)
    except BaseException:
        file.close()
        raise
    return BufferedBody(file, size), digest.hexdigest()


def _check_size(size: int, max_bytes: int) -> None:
    """Raise RequestError if a body is too long to be buffered."""
    if size > max_bytes:
        raise RequestError(
            f"the body is longer than {max_bytes} bytes, the maximum for requests that es-rerank signs",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            kind="content_too_long_exception",
        )


def _write(file: IO[bytes], chunk: bytes) -> None:
    """Write a chunk to the file. Raises RequestError (status 507) if that fails; clients would retry a 502."""
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else type(error).__name__
        log.error("request body not buffered", reason=reason)  # noqa: TRY400 - the traceback says nothing more
        raise RequestError(
            f"es-rerank cannot buffer the body to sign the request: {reason}",
            status=HTTPStatus.INSUFFICIENT_STORAGE,
            kind="es_rerank_exception",
        ) from error
