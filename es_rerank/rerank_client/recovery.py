"""Sends test requests (probes) to failed rerank servers, so that their recovery is noticed even without searches."""

from __future__ import annotations

import asyncio

from es_rerank.rerank_client.pool import ServerPool
from es_rerank.rerank_client.server import RerankServer

# Time between two probes of a server.
_PAUSE_SECONDS = 1.0


class Recovery:
    """Probes each failed server of a pool, unless a request of a search is in flight to it, which serves as a probe.

    A server that has not passed its self-test is not probed, because its self-test is repeated until it passes.
    """

    def __init__(self, pool: ServerPool) -> None:
        """Prepare to probe the servers of *pool*."""
        self._pool = pool

    async def run(self) -> None:
        """Probe failed servers, including servers that are added later, until the task is canceled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(_PAUSE_SECONDS)
                for server in self._pool.servers:
                    group.create_task(self._check(server))

    async def _check(self, server: RerankServer) -> None:
        """Probe a server if it has failed."""
        if server.needs_probe:
            await self._pool.probe(server)
