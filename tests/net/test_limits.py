"""The limits in force between a client and the endpoint, and between the endpoint and the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from es_rerank.net.limits import MAX_FIELD_BYTES, MAX_HEADERS
from es_rerank.testing import FakeResponse, FakeServer, fake_settings, running_endpoint, serve_fake
from tests.server.listen.test_connection import send_raw

MAX_HEAD = fake_settings().max_header_size
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
LINE = b"GET /%b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


@asynccontextmanager
async def limitless_engine(seen: list[int]) -> AsyncIterator[str]:
    """Run an engine that accepts a request head of any size; yields its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(len(await reader.readuntil(b"\r\n\r\n")))
        writer.write(OK)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (LINE % (b"a" * (MAX_HEAD - 100)), 200),
        (LINE % (b"a" * (MAX_HEAD + 100)), 431),
        (LINE % b"" + b"A: " + b"a" * (MAX_HEAD - 100) + b"\r\n", 200),
        (LINE % b"" + b"A: " + b"a" * (MAX_HEAD + 100) + b"\r\n", 431),
        (LINE % b"" + (b"A: " + b"a" * 10_000 + b"\r\n") * 6, 200),
        (LINE % b"" + (b"A: " + b"a" * 10_000 + b"\r\n") * 7, 431),
        (LINE % b"" + b"A: b\r\n" * (MAX_HEADERS - 100), 200),
        (LINE % b"" + b"A: b\r\n" * (MAX_HEADERS + 100), 400),
    ],
    ids=[
        "long line",
        "too long line",
        "long header",
        "too long header",
        "long headers",
        "too long headers",
        "many headers",
        "too many headers",
    ],
)
async def test_requests_within_the_limits_reach_the_engine(head: bytes, status: int) -> None:
    seen: list[int] = []
    async with limitless_engine(seen) as url, running_endpoint(fake_settings(upstream=url)) as proxy:
        answer = await send_raw(proxy.url, head + b"\r\n")
    assert answer.split(b" ", 2)[1] == b"%d" % status
    assert len(seen) == (status == 200)


@pytest.mark.parametrize(("size", "status"), [(MAX_FIELD_BYTES - 100, 200), (MAX_FIELD_BYTES + 100, 502)])
async def test_response_headers_within_the_limit_reach_the_client(size: int, status: int) -> None:
    says = FakeResponse(b"ok", headers=[("Warning", "a" * size)])
    async with (
        serve_fake(FakeServer({"": says})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        answer = await send_raw(proxy.url, LINE % b"" + b"\r\n")
    assert answer.split(b" ", 2)[1] == b"%d" % status
    assert (b"a" * size in answer) is (status == 200)
