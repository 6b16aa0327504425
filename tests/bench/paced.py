"""A rerank server that works at a pace, one request after another, as a GPU does: `python -m tests.bench.paced RATE`.

It takes a second for RATE tokens, prints its port, and speaks vLLM's `/score`. A request whose client goes away is not
worked on any further.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from es_rerank.rerank.prompt import approximate_tokens
from tests.bench.serving import serve


def application(rate: float) -> web.Application:
    """Make the server."""
    busy = asyncio.Lock()

    async def score(request: web.Request) -> web.Response:
        texts = (await request.json())["text_2"]
        async with busy:
            await asyncio.sleep(sum(map(approximate_tokens, texts)) / rate)
        # Some order other than the engine's, the same each time.
        return web.json_response({"data": [{"index": at, "score": len(text) % 7} for at, text in enumerate(texts)]})

    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/score", score)
    return app


if __name__ == "__main__":
    asyncio.run(serve(application(float(sys.argv[1]))))
