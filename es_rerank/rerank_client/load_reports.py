"""Requests load reports from rerank servers, so that `admission` takes the requests of other clients into account."""

from __future__ import annotations

import asyncio

from es_rerank.rerank_client.pool import ServerPool
from es_rerank.rerank_client.server import RerankServer

# Time between two requests for a load report, and the longer time after a response without a load report.
_PAUSE_SECONDS = 1.0
_SILENT_SECONDS = 30.0


class LoadReports:
    """Requests the load of each server once per second while a rerank request to it is in flight."""

    def __init__(self, pool: ServerPool) -> None:
        """Prepare to request reports from the servers of *pool*."""
        self._pool = pool
        self._asked: set[RerankServer] = set()

    async def run(self) -> None:
        """Request load reports from the servers until the task is canceled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(_PAUSE_SECONDS)
                for server in self._pool.servers:
                    if server.throughput.requests and server not in self._asked:
                        self._asked.add(server)
                        group.create_task(self._ask(server))

    async def _ask(self, server: RerankServer) -> None:
        """Request the load report of one server. If the server sends no report, pause before it is asked again."""
        try:
            if not await server.report_load():
                await asyncio.sleep(_SILENT_SECONDS)
        finally:
            self._asked.discard(server)
