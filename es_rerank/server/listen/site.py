"""Listens on bound sockets: plain or with TLS, and with connections of our own making."""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import partial
from typing import Any

from aiohttp import web

from es_rerank.config.settings import Settings
from es_rerank.config.types import SHARED
from es_rerank.net.limits import MAX_FIELD_BYTES, MAX_HEADERS, MAX_LINE_BYTES, READ_BUFFER_BYTES
from es_rerank.net.tls import load_certificate, server_context
from es_rerank.server.listen.connection import AdminAccess, Connection
from es_rerank.server.listen.sockets import Sockets, address

_BACKLOG = 1024
# Longer than load balancers keep an idle connection, so that they end it and never send into one that just ended.
_KEEPALIVE_SECONDS = 75.0


class Site(web.BaseSite):
    """One socket of a runner, which closes it."""

    def __init__(
        self, running: web.AppRunner, bound: socket.socket, tls: ssl.SSLContext | None, **connection: Any
    ) -> None:
        """Prepare to listen on *bound*; *connection* says how each `Connection` is made."""
        super().__init__(running, ssl_context=tls, backlog=_BACKLOG)
        self._connection = connection
        self._bound = bound

    @property
    def name(self) -> str:
        """Where it listens, as a URL where there is one for it."""
        place = address(self._bound)
        return f"{'https' if self._ssl_context else 'http'}://{place}" if "/" not in place else place

    async def start(self) -> None:
        """Take connections."""
        await super().start()
        loop = asyncio.get_running_loop()
        server = self._runner.server
        assert server is not None, "a runner is set up before its sites"  # noqa: S101 - for the type checker
        made = partial(
            Connection,
            server,
            **self._connection,
            loop=loop,
            access_log=None,
            # Bodies stay coded, and lines may be as long as the engine takes them.
            auto_decompress=False,
            read_bufsize=READ_BUFFER_BYTES,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_HEADERS,
            keepalive_timeout=_KEEPALIVE_SECONDS,
        )
        create = loop.create_unix_server if self._bound.family == socket.AF_UNIX else loop.create_server
        self._server = await create(made, sock=self._bound, ssl=self._ssl_context, backlog=self._backlog)


class Sites:
    """All sockets of an endpoint: where clients connect, and where the own pages are if not there too."""

    def __init__(self, running: web.AppRunner, settings: Settings, bound: Sockets) -> None:
        """Prepare. Raises ConfigError if the certificate cannot be used."""
        self._settings = settings
        self._tls = tls = server_context(settings)
        shared = AdminAccess.AUTHENTICATED if settings.admin_listen == SHARED else AdminAccess.NONE
        preface = settings.proxy_protocol
        self._clients = [Site(running, one, tls, pages=shared, proxy_protocol=preface) for one in bound.listen]
        # No load balancer stands before these.
        self._own = [Site(running, one, tls, pages=AdminAccess.ALL) for one in bound.admin_listen]

    @property
    def names(self) -> list[str]:
        """Name each site that clients connect to."""
        return [site.name for site in self._clients]

    @property
    def pages(self) -> list[str]:
        """Name each site that has the own pages."""
        return [site.name for site in self._own] or self.names

    async def start(self) -> None:
        """Take connections on all of them."""
        for site in (*self._clients, *self._own):
            await site.start()

    def renew(self) -> None:
        """Show a renewed certificate to those who connect from now on. Raises ConfigError if it cannot be used."""
        if self._tls:
            load_certificate(self._tls, self._settings)


async def listen(running: web.AppRunner, settings: Settings, bound: Sockets) -> Sites:
    """Listen on all sockets."""
    sites = Sites(running, settings, bound)
    await sites.start()
    return sites
