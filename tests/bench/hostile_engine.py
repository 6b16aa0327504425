"""A fake engine with large mappings and answers, for the benchmark of hostile requests; it prints its port."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qs

from aiohttp import web

from tests.bench.serving import serve

_FIELDS = {f"field{number}": {"text": {}} for number in range(5000)}
CAPS = json.dumps({"indices": ["docs"], "fields": {"body": {"text": {}}, **_FIELDS}}).encode()
MAX_HITS = 1200


def _hit(number: int) -> bytes:
    source = {f"f{field}": {"n": number} for field in range(8)} | {"body": f"a garden hose {number} " * 20}
    hit = {"_index": "docs", "_id": str(number), "_score": 3000.0 - number, "_source": source}
    return json.dumps(hit).encode()


HITS = [_hit(number) for number in range(MAX_HITS)]


def found(size: int) -> bytes:
    """Return the response to a search with this number of hits."""
    return b'{"took":1,"hits":{"total":{"value":1200,"relation":"eq"},"max_score":3000.0,"hits":[%b]}}' % b",".join(
        HITS[:size]
    )


async def answer(request: web.Request) -> web.Response:
    """Respond to any request."""
    body = await request.read()
    path = request.path
    if path.endswith("_field_caps"):
        return _json(CAPS)
    if path.endswith("_msearch"):
        lines = [json.loads(line) for line in body.splitlines()][1::2]
        return _json(b'{"took":1,"responses":[%b]}' % b",".join(found(line.get("size", 10)) for line in lines))
    if path.endswith("_search"):
        size = parse_qs(request.query_string).get("size", ["10"])[-1]
        return _json(found(int(size)))
    return _json(b'{"metric_score":1.0}')


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


def application() -> web.Application:
    """Return the server."""
    app = web.Application(client_max_size=256 * 2**20, handler_args={"max_line_size": 2**17, "max_field_size": 2**17})
    app.router.add_route("*", "/{path:.*}", answer)
    return app


if __name__ == "__main__":
    asyncio.run(serve(application()))
