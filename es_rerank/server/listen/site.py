"""Listens on bound sockets, with or without TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import partial
from typing import Any

from aiohttp import web

from es_rerank.config.addresses import SHARED
from es_rerank.config.settings import Settings
from es_rerank.net.limits import MAX_HEADERS, READ_BUFFER_BYTES
from es_rerank.net.tls import renew, server_context
from es_rerank.server.listen.admin_access import AdminAccess
from es_rerank.server.listen.connection import Connection
from es_rerank.server.listen.sockets import Sockets, address

_BACKLOG = 1024
# Longer than the usual idle timeout of load balancers. Otherwise, they may send a request on a closing connection.
_KEEPALIVE_SECONDS = 75.0


class Site(web.BaseSite):
    """One listening socket of a runner. The runner closes it."""

    def __init__(
        self, runner: web.AppRunner, bound: socket.socket, tls: ssl.SSLContext | None, **connection: Any
    ) -> None:
        """Prepare to listen on *bound*; *connection* contains options for each `Connection`."""
        super().__init__(runner, ssl_context=tls, backlog=_BACKLOG)
        self._connection = connection
        self._bound = bound

    @property
    def name(self) -> str:
        """The URL of the socket, or `unix:/PATH`."""
        bound = address(self._bound)
        return f"{'https' if self._ssl_context else 'http'}://{bound}" if "/" not in bound else bound

    async def start(self) -> None:
        """Accept connections."""
        await super().start()
        loop = asyncio.get_running_loop()
        server = self._runner.server
        assert server is not None, "a runner is set up before its sites"  # noqa: S101 - for the type checker
        connect = partial(
            Connection,
            server,
            **self._connection,
            loop=loop,
            access_log=None,
            # Bodies are forwarded with the client's content encoding.
            auto_decompress=False,
            read_bufsize=READ_BUFFER_BYTES,
            max_headers=MAX_HEADERS,
            keepalive_timeout=_KEEPALIVE_SECONDS,
        )
        create = loop.create_unix_server if self._bound.family == socket.AF_UNIX else loop.create_server
        self._server = await create(connect, sock=self._bound, ssl=self._ssl_context, backlog=self._backlog)


class Sites:
    """All listening sockets of an endpoint: for clients and, unless `admin_listen` is `shared`, for the admin pages."""

    def __init__(self, runner: web.AppRunner, settings: Settings, bound: Sockets) -> None:
        """Prepare to listen. Raises ConfigError if the certificate cannot be used."""
        self._settings = settings
        self._tls = tls = server_context(settings)
        shared = AdminAccess.AUTHENTICATED if settings.admin_listen == SHARED else AdminAccess.NONE
        limit = {"max_head": settings.max_header_size}
        options = {**limit, "admin_access": shared, "proxy_protocol": settings.proxy_protocol}
        self._clients = [Site(runner, each, tls, **options) for each in bound.listen]
        # Admin pages are not accessed through the load balancer, so there is no PROXY protocol.
        self._admin = [Site(runner, each, tls, **limit, admin_access=AdminAccess.ALL) for each in bound.admin_listen]

    @property
    def names(self) -> list[str]:
        """The URLs that clients connect to."""
        return [site.name for site in self._clients]

    @property
    def pages(self) -> list[str]:
        """The URLs of the admin pages."""
        return [site.name for site in self._admin] or self.names

    async def start(self) -> None:
        """Accept connections on all sockets."""
        for site in (*self._clients, *self._admin):
            await site.start()

    def renew(self) -> None:
        """Use the renewed certificate files for new connections. Raises ConfigError if they cannot be used."""
        if self._tls:
            renew(self._tls, self._settings)


async def listen(runner: web.AppRunner, settings: Settings, bound: Sockets) -> Sites:
    """Listen on all sockets. Raises ConfigError if the certificate cannot be used."""
    sites = Sites(runner, settings, bound)
    await sites.start()
    return sites
