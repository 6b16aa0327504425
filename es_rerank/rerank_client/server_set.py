"""Manages the rerank servers in use, which the settings name or DNS lookups find. Each server has its own self-test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from es_rerank.config.addresses import DNS
from es_rerank.config.settings import Settings
from es_rerank.rerank_client.discovery import Discovery
from es_rerank.rerank_client.dns_lookup import DnsLookup
from es_rerank.rerank_client.pool import ServerPool
from es_rerank.rerank_client.server import RerankServer

MakeServer = Callable[[str], RerankServer]
"""Creates the client of the server at a base URL."""


class ServerSet:
    """Adds servers to a pool, removes servers from it, and runs the self-test of each server.

    The wanted servers are those in the settings and those that the last DNS lookups have found.
    """

    def __init__(self, settings: Settings, pool: ServerPool, make: MakeServer) -> None:
        """Add the servers in the settings to *pool*. Servers that are found by DNS are added later, by `run`."""
        self._pool = pool
        self._make = make
        self._fixed = frozenset(url for url in settings.reranker if not url.startswith(DNS))
        self._wanted = self._fixed
        names = [url for url in settings.reranker if url.startswith(DNS)]
        self._discovery = Discovery(names, DnsLookup(settings.dns_server), self._found)
        self._leaving: set[RerankServer] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._self_tests: dict[RerankServer, asyncio.Task[None]] = {}
        for url in dict.fromkeys(settings.reranker):
            if url in self._fixed:
                pool.add(make(url))

    @property
    def problem(self) -> str:
        """The errors of the last DNS lookups; empty if no lookup failed."""
        return "; ".join(self._discovery.problems.values())

    async def run(self) -> None:
        """Run the self-tests of the servers in the settings, and look up DNS names until the task is canceled."""
        await asyncio.gather(*map(self._test, self._pool.servers), self._discovery.run())

    def retest(self, server: RerankServer) -> None:
        """Repeat the self-test of a server, unless it is no longer in use."""
        if server in self._pool.servers:
            self._test(server)

    async def close(self) -> None:
        """Cancel self-tests, and close the connections to all servers, including removed servers with open requests."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in (*self._pool.servers, *self._leaving):
            await server.close()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run *work* in a task that `close` cancels."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _test(self, server: RerankServer) -> asyncio.Task[None]:
        """Start the self-test of a server."""
        task = self._self_tests[server] = self._start(server.self_test.run())
        task.add_done_callback(lambda _: self._tested(server))
        return task

    def _found(self, urls: frozenset[str]) -> None:
        """Use the servers at these base URLs, which DNS lookups have found, and the servers in the settings."""
        self._wanted = urls | self._fixed
        self._update()

    def _tested(self, server: RerankServer) -> None:
        """Update the pool after a server's self-test: if a wanted server is trusted now, remove the unwanted ones."""
        self._self_tests.pop(server, None)
        self._update()

    def _update(self) -> None:
        """Add the wanted servers to the pool. Remove all others as soon as one of the wanted servers is trusted.

        If all servers are replaced at once, searches use the old ones until a new one has passed its self-test.
        """
        known = {server.url: server for server in self._pool.servers}
        for url in sorted(self._wanted - known.keys()):
            server = self._make(url)
            self._pool.add(server)
            self._test(server)
        if any(known[url].health.trusted for url in known.keys() & self._wanted):
            for url in known.keys() - self._wanted:
                self._remove(known[url])

    def _remove(self, server: RerankServer) -> None:
        """Remove a server. Its requests in flight are completed."""
        if task := self._self_tests.get(server):
            task.cancel()
        self._leaving.add(server)
        self._start(self._close(server, self._pool.remove(server)))

    async def _close(self, server: RerankServer, drained: asyncio.Event) -> None:
        """Close a server once its requests have ended."""
        await drained.wait()
        await server.close()
        self._leaving.discard(server)
