"""A rerank server with a fixed rate, one request at a time, as a GPU works: `python -m tests.bench.paced RATE`.

It takes one second for RATE tokens, prints its port, and implements vLLM's `/score`. Requests of disconnected clients
are dropped.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from es_rerank.rerank.prompt import approximate_tokens
from tests.bench.serving import serve


def application(rate: float) -> web.Application:
    """Return the server."""
    busy = asyncio.Lock()

    async def score(request: web.Request) -> web.Response:
        texts = (await request.json())["text_2"]
        async with busy:
            await asyncio.sleep(sum(map(approximate_tokens, map(len, texts))) / rate)
        # Any reproducible order other than the engine's.
        return web.json_response({"data": [{"index": at, "score": len(text) % 7} for at, text in enumerate(texts)]})

    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/score", score)
    return app


if __name__ == "__main__":
    asyncio.run(serve(application(float(sys.argv[1]))))
