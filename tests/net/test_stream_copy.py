from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import aiohttp
import pytest

from es_rerank.testing import FakeResponse, FakeServer, fake_settings, running_endpoint, serve_fake

PIECES = [[b"x"], [b"a" * 70_000, b"", b"b", b"c" * 300_000], [b"%d" % at for at in range(500)], [b"y" * 3_000_000]]


@pytest.mark.parametrize("pieces", PIECES, ids=lambda pieces: f"{len(pieces)} pieces")
@pytest.mark.parametrize("known", [True, False], ids=["length", "chunks"])
async def test_bodies_are_copied_unchanged_both_ways(pieces: Sequence[bytes], known: bool) -> None:
    whole = b"".join(pieces)

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
            await asyncio.sleep(0)

    headers = {"Content-Length": str(len(whole))} if known else {}
    response = FakeResponse(pieces, headers=list(headers.items()))
    async with serve_fake(FakeServer({"": response})) as engine, running_endpoint(fake_settings(engine)) as proxy:
        for _ in range(2):
            async with proxy.session.post(f"{proxy.url}/_bulk", data=body(), headers=headers) as answer:
                assert await answer.read() == whole
                assert ("Content-Length" in answer.headers) is known
    assert [seen.body for seen in engine.seen] == [whole] * 2
    assert ("Content-Length" in engine.seen[0].headers) is known


@pytest.mark.parametrize("status", [204, 304])
async def test_responses_without_a_body_end(status: int) -> None:
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"", status=status)})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        assert (await proxy.send("GET", "/x")).status == status
        assert (await proxy.send("HEAD", "/x")).status == status


async def test_a_client_that_does_not_read_slows_the_engine_down() -> None:
    """Of 100 MB only what fits into the buffers of two connections is read ahead."""
    written = 0

    async def engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while written < 100_000_000:
            writer.write(b"z" * 100_000)
            await writer.drain()
            written += 100_000
        writer.close()

    async with await asyncio.start_server(engine, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with running_endpoint(fake_settings(upstream=url)) as proxy:
            host, _, port = urlsplit(proxy.url).netloc.partition(":")
            reader, writer = await asyncio.open_connection(host, int(port), limit=2**16)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            known = -1
            while known != written:
                known = written
                await asyncio.sleep(0.2)
            assert written < 50_000_000
            digest, size = hashlib.sha256(), 0
            while size < 100_000_000 and (chunk := await reader.read(2**20)):
                digest.update(chunk)
                size += len(chunk)
            writer.close()
    assert digest.hexdigest() == hashlib.sha256(b"z" * 100_000_000).hexdigest()


async def test_a_client_that_disconnects_frees_the_engine() -> None:
    gone = asyncio.Event()

    async def engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await reader.read()
        gone.set()
        writer.close()

    async with await asyncio.start_server(engine, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with running_endpoint(fake_settings(upstream=url)) as proxy:
            async with aiohttp.ClientSession() as session, session.get(f"{proxy.url}/x") as answer:
                assert await answer.content.readany() == b"hello"
                answer.close()
            await asyncio.wait_for(gone.wait(), 5)
