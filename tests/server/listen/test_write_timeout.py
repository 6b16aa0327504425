"""Clients that do not read the response, or read it slowly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from es_rerank.server.listen.write_timeout import WriteTimeoutHandler
from es_rerank.testing import (
    CAPS,
    FakeResponse,
    FakeServer,
    RunningEndpoint,
    fake_settings,
    running_endpoint,
    search_response,
    serve_fake,
)

SIZE = 20_000_000
QUERY = json.dumps({"query": {"match": {"body": "hose"}}}).encode()
SEARCH = b"POST /docs/_search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(QUERY),
    QUERY,
)
READ = b"GET /docs/_doc/1 HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def endpoint() -> AsyncIterator[RunningEndpoint]:
    """Run an endpoint that may hold one response, but not two."""
    large = FakeResponse(search_response(("1", 2.0, "a hose " + "x" * SIZE), ("2", 1.0, "a hose")))
    engine = FakeServer({"/docs/_field_caps": FakeResponse(json.dumps(CAPS).encode()), "": large})
    async with serve_fake(engine):
        settings = fake_settings(engine, backend="identity", max_memory=SIZE + 1_000_000)
        async with running_endpoint(settings) as running:
            yield running


async def connect(url: str, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request, and read only the first bytes of the response."""
    reader, writer = await asyncio.open_connection(*urlsplit(url).netloc.split(":"), limit=1024)
    writer.write(request)
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def outcome(running: RunningEndpoint) -> str:
    """Return what happens to another search."""
    return (await running.search()).headers["X-Rerank"].partition("; window")[0]


async def test_a_response_counts_as_held_until_the_client_has_read_it() -> None:
    async with endpoint() as running:
        reader, writer = await connect(running.url, SEARCH)
        assert await outcome(running) == "skipped; why=out_of_memory"
        assert len(await reader.readexactly(SIZE)) == SIZE
        assert await outcome(running) == "reranked"
        writer.close()


@pytest.mark.parametrize("request_", [SEARCH, READ], ids=["search", "passed through"])
async def test_the_connection_of_a_client_that_does_not_read_is_closed(
    request_: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("es_rerank.server.listen.write_timeout._WRITE_SECONDS", 0.1)
    async with endpoint() as running:
        reader, writer = await connect(running.url, request_)
        await asyncio.sleep(0.5)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(SIZE)
        assert await outcome(running) == "reranked"
        writer.close()


class Transport:
    """A transport with *unread* bytes in its write buffer."""

    unread = 100
    aborted = False

    def get_write_buffer_size(self) -> int:
        return self.unread

    def abort(self) -> None:
        self.aborted = True


class Loop:
    """A loop with one timer."""

    callback: Any = None

    def call_later(self, _seconds: float, callback: Any) -> Loop:
        self.callback = callback
        return self

    def cancel(self) -> None:
        self.callback = None


async def test_a_client_that_reads_slowly_is_not_disconnected() -> None:
    connection: Any = WriteTimeoutHandler(web.Server(lambda _: web.Response()), loop=asyncio.get_running_loop())
    connection.transport, connection._loop = Transport(), Loop()
    connection.pause_writing()
    for unread in (99, 50, 1):
        connection.transport.unread = unread
        connection._loop.callback()
        assert not connection.transport.aborted
    connection.resume_writing()
    assert connection._loop.callback is None
    connection.pause_writing()
    connection._loop.callback()
    assert connection.transport.aborted
    connection.resume_writing()
    connection.pause_writing()
    connection.transport = None
    connection.connection_lost(None)
    assert connection._loop.callback is None
