"""es-rerank in front of an engine, with a watch on its event loop: `python -m tests.bench.hostile_endpoint URL`.

It prints two ports: of the endpoint, and of a server that returns how long the loop was held at most since the last
request, in seconds of processor time, which other programs on the machine do not lengthen.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop
from aiohttp import web

from es_rerank.cli.serve import exclude_from_collections
from es_rerank.testing import fake_settings, running_endpoint

_INTERVAL_SECONDS = 0.001


class Watch:
    """Measures the processor time of the event loop's thread between two of its own turns."""

    def __init__(self) -> None:
        self._longest = 0.0

    async def run(self) -> None:
        """Measure forever."""
        before = time.thread_time()
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            now = time.thread_time()
            self._longest = max(self._longest, now - before)
            before = now

    async def report(self, _request: web.BaseRequest) -> web.Response:
        """Return the longest time since the last report."""
        longest, self._longest = self._longest, 0.0
        return web.Response(text=str(longest))


async def main(engine: str) -> None:
    """Serve until the process is killed."""
    watch = Watch()
    runner = web.ServerRunner(web.Server(watch.report))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with running_endpoint(fake_settings(upstream=engine, backend="identity", profile="minilm")) as endpoint:
        sys.stdout.write(f"{endpoint.url.rpartition(':')[2]} {runner.addresses[0][1]}\n")
        sys.stdout.flush()
        exclude_from_collections()
        await watch.run()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
