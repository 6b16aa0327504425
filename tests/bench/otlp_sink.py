"""A collector that keeps what it receives: `python -m tests.bench.otlp_sink`.

It implements OTLP over HTTP, prints its port, and reports the number of spans at `/spans`. Spans are counted only when
asked for, so that it takes as little processor time as possible while they arrive.
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.bench.serving import serve


def application() -> web.Application:
    """Return the server."""
    received: list[bytes] = []

    async def keep(request: web.Request) -> web.Response:
        received.append(await request.read())
        return web.Response(content_type="application/x-protobuf")

    async def spans(_: web.Request) -> web.Response:
        requests = map(ExportTraceServiceRequest.FromString, received)
        scopes = (scope for one in requests for resource in one.resource_spans for scope in resource.scope_spans)
        return web.json_response(sum(len(scope.spans) for scope in scopes))

    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/v1/traces", keep)
    app.router.add_get("/spans", spans)
    return app


if __name__ == "__main__":
    asyncio.run(serve(application()))
