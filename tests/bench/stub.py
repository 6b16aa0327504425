"""A rerank server that answers each request after a fixed time: `python -m tests.bench.stub MILLISECONDS`.

Requests do not wait for each other. It prints its port, and implements vLLM's `/score` with reproducible scores.
"""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec
from aiohttp import web

from tests.bench.serving import serve


def application(seconds: float) -> web.Application:
    """Return the server."""

    async def score(request: web.Request) -> web.Response:
        began = time.monotonic()
        texts = msgspec.json.decode(await request.read())["text_2"]
        data = [{"index": at, "score": (len(text) * 7919 % 1000) / 100 - 5} for at, text in enumerate(texts)]
        body = msgspec.json.encode({"data": data})
        await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
        return web.Response(body=body, content_type="application/json")

    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/score", score)
    return app


if __name__ == "__main__":
    asyncio.run(serve(application(float(sys.argv[1]) / 1e3)))
