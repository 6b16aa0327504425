"""A rerank server that answers each request after a fixed time: `python -m tests.bench.stub MILLISECONDS`.

Requests do not wait for each other. It prints its port, and implements vLLM's `/score` and `/rerank` with reproducible
scores.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from tests.bench.serving import serve


def application(seconds: float) -> web.Application:
    """Return the server."""

    def answers(texts: str, rows: str, score: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            began = time.monotonic()
            read = msgspec.json.decode(await request.read())[texts]
            found = [{"index": at, score: (len(text) * 7919 % 1000) / 100 - 5} for at, text in enumerate(read)]
            body = msgspec.json.encode({rows: found})
            await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
            return web.Response(body=body, content_type="application/json")

        return answer

    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/score", answers("text_2", "data", "score"))
    app.router.add_post("/rerank", answers("documents", "results", "relevance_score"))
    return app


if __name__ == "__main__":
    asyncio.run(serve(application(float(sys.argv[1]) / 1e3)))
