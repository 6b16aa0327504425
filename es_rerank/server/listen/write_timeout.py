"""Closes a connection if the client does not read the response."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from aiohttp import web

log = structlog.get_logger()

# A connection is aborted if the client reads nothing for this long. Proxies such as nginx have the same default.
_WRITE_SECONDS = 60.0


class WriteTimeoutHandler(web.RequestHandler):
    """An HTTP connection that is aborted if the client reads nothing for a minute, although a response waits.

    A client that never reads would otherwise keep the response in memory, and the connection to the engine open. No
    timer is needed for clients that read as fast as the engine responds.
    """

    __slots__ = ("_unread", "_write_timer")

    def __init__(self, manager: web.Server, **options: Any) -> None:
        """Create a connection with options of aiohttp's `RequestHandler`."""
        super().__init__(manager, **options)
        self._unread = 0
        self._write_timer: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Start to watch the client, because it has not read all of the buffered data."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Stop watching the client, because it has read the buffered data."""
        self._stop_watching()
        super().resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop watching the client, and release the resources of the connection."""
        self._stop_watching()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Check after a while whether the client has read anything."""
        if self.transport:
            self._unread = self.transport.get_write_buffer_size()
            self._write_timer = self._loop.call_later(_WRITE_SECONDS, self._check)

    def _check(self) -> None:
        """Abort the connection if the client has read nothing."""
        if self.transport and self.transport.get_write_buffer_size() >= self._unread:
            log.info("client reads no response, connection closed", seconds=_WRITE_SECONDS, unread_bytes=self._unread)
            self.transport.abort()
        else:
            self._watch()

    def _stop_watching(self) -> None:
        """Cancel the next check."""
        if self._write_timer:
            self._write_timer.cancel()
            self._write_timer = None
