"""Finds rerank servers by DNS. Looks up each name again when its records expire, and reports changes.

If a lookup fails or finds nothing, the known servers stay in use, because a DNS server that is down must not stop
reranking. If one of these servers no longer exists, its health check fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog

from es_rerank.model import Failed
from es_rerank.rerank_client.dns_lookup import Addresses

log = structlog.get_logger()

# Limits of the time between two lookups. A record may have a lifetime of 0.
_MIN_SECONDS, _MAX_SECONDS = 1.0, 300.0
_RETRY_SECONDS = 1.0

LookUp = Callable[[str], Awaitable[Addresses | Failed]]
"""Looks up the servers of a `dns://` URL."""


class Discovery:
    """Looks up the DNS names of rerank servers regularly. `problems` has the error of each failing name, by name."""

    def __init__(self, names: Collection[str], look_up: LookUp, changed: Callable[[frozenset[str]], None]) -> None:
        """Prepare the lookups.

        Args:
            names: The `dns://` URLs.
            look_up: Looks up one URL.
            changed: Called with the base URLs of all servers that were found, each time that this set changes.

        """
        self.problems: dict[str, str] = {}
        self._look_up = look_up
        self._changed = changed
        self._found: dict[str, frozenset[str]] = dict.fromkeys(names, frozenset())

    async def run(self) -> None:
        """Look up all names regularly until the task is canceled."""
        await asyncio.gather(*map(self._follow, self._found))

    async def _follow(self, name: str) -> None:
        """Look up one name each time that its records expire, and after each failure, until the task is canceled."""
        while True:
            found = await self._look_up(name)
            if isinstance(found, Failed):
                self._failed(name, found.detail)
                seconds = _RETRY_SECONDS
            else:
                self._update(name, found.urls)
                seconds = min(max(found.seconds, _MIN_SECONDS), _MAX_SECONDS)
            await asyncio.sleep(seconds)

    def _failed(self, name: str, problem: str) -> None:
        """Log a failed lookup, unless the previous one failed, too."""
        if name not in self.problems:
            log.warning("DNS lookup failed, known rerank servers are kept", name=name, reason=problem)
        self.problems[name] = problem

    def _update(self, name: str, urls: frozenset[str]) -> None:
        """Record the servers of one name. If they have changed, report the servers of all names."""
        self.problems.pop(name, None)
        if urls != self._found[name]:
            log.info("rerank servers found", name=name, servers=sorted(urls))
            self._found[name] = urls
            self._changed(frozenset().union(*self._found.values()))
