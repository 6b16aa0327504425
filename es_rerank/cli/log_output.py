"""Writes log lines without ever waiting long or failing: a full disk or a reader that stops must not stop searches."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from typing import TextIO

import structlog

# Up to this many bytes, a pipe that is ready to be written takes a text as a whole (POSIX).
_PIPE_BYTES = select.PIPE_BUF
# Maximum time that a line waits for its reader. While the output is not ready, further lines do not wait.
_WAIT_MS = 10


class LogOutput:
    """The file to which log lines are written. Lines that cannot be written are dropped, and their number is logged."""

    def __init__(self, stream: TextIO | None) -> None:
        """Write to *stream*; None drops all lines."""
        self._stream = stream
        self._dropped = 0
        self._stalled = self._torn = False
        self._file: int | None = None
        with suppress(AttributeError, OSError, ValueError):
            # In tests, the stream may not be a file.
            self._file = stream.fileno() if stream else None

    def __repr__(self) -> str:
        """Show how many lines have been dropped since the last line that was written."""
        return f"<LogOutput {self._dropped} lines dropped>"

    def write(self, line: str) -> None:
        """Write a line, or drop it."""
        if not self._written(line):
            self._dropped += 1
        elif self._dropped:
            dropped, self._dropped = self._dropped, 0
            structlog.get_logger().warning("log lines dropped", lines=dropped)

    def flush(self) -> None:
        """Do nothing, because lines are not buffered."""

    def _written(self, line: str) -> bool:
        """Write a line. Return whether all of it was written."""
        try:
            if self._file is not None:
                return self._sent(self._file, line.encode("utf-8", "backslashreplace"))
            if self._stream is not None:
                self._stream.write(line)
        except (OSError, ValueError):
            return False
        return self._stream is not None

    def _sent(self, file: int, data: bytes) -> bool:
        """Write data in parts for which the output is ready. Return whether all of it was written."""
        left = b"\n" + data if self._torn else data
        ready = select.poll()
        ready.register(file, select.POLLOUT)
        try:
            while left:
                if not ready.poll(0 if self._stalled else _WAIT_MS):
                    self._stalled = True
                    return False
                self._stalled = False
                written = os.write(file, left[:_PIPE_BYTES])
                left = left[written:]
                # Until the rest follows, the output ends within a line.
                self._torn = bool(left)
        finally:
            ready.unregister(file)
        return True
