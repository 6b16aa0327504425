"""A rerank server with a fixed rate, one request at a time, as a GPU works: `python -m tests.bench.paced RATE`.

It takes one second for RATE tokens, prints its port, and implements vLLM's `/score` and the metrics of its queue.
Requests of disconnected clients are dropped. `PUT /rate` with a number changes the rate.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from es_rerank.rerank.prompt import approximate_tokens
from tests.bench.serving import serve, starting


def application(rate: float) -> web.Application:
    """Return the server."""
    busy = asyncio.Lock()
    current = {"rate": rate, "requests": 0}

    async def score(request: web.Request) -> web.Response:
        texts = (await request.json())["text_2"]
        current["requests"] += 1
        try:
            async with busy:
                await asyncio.sleep(sum(map(approximate_tokens, map(len, texts))) / current["rate"])
        finally:
            current["requests"] -= 1
        # Any reproducible order other than the engine's.
        return web.json_response({"data": [{"index": at, "score": len(text) % 7} for at, text in enumerate(texts)]})

    async def set_rate(request: web.Request) -> web.Response:
        current["rate"] = float(await request.text())
        return web.Response()

    async def metrics(request: web.Request) -> web.Response:
        running = min(current["requests"], 1)
        waiting = current["requests"] - running
        labels = '{engine="0",model_name="paced"}'
        rows = f"vllm:num_requests_running{labels} {running}\nvllm:num_requests_waiting{labels} {waiting}\n"
        return web.Response(text=rows)

    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/score", score)
    app.router.add_put("/rate", set_rate)
    app.router.add_get("/metrics", metrics)
    return app


@dataclass(frozen=True)
class Paced:
    """A running server."""

    url: str
    process: subprocess.Popen[str]

    async def set_rate(self, rate: float) -> None:
        """Change the tokens per second, also for requests that wait."""
        async with aiohttp.ClientSession() as session, session.put(f"{self.url}/rate", data=str(rate)) as answer:
            assert answer.status == 200

    def kill(self) -> None:
        self.process.kill()


@contextmanager
def paced(rate: float) -> Iterator[Paced]:
    """Run a server in a process of its own."""
    with starting("tests.bench.paced", str(rate)) as (url, process):
        yield Paced(url, process)


if __name__ == "__main__":
    asyncio.run(serve(application(float(sys.argv[1]))))
