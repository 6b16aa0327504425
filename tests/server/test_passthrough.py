"""A request that is not a planned search passes both ways byte for byte."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from es_rerank.testing import (
    FakeResponse,
    FakeServer,
    ReceivedRequest,
    RunningEndpoint,
    fake_settings,
    running_endpoint,
    serve_fake,
)


@asynccontextmanager
async def passing(
    says: FakeResponse | Callable[[ReceivedRequest], FakeResponse], **settings: Any
) -> AsyncIterator[tuple[RunningEndpoint, FakeServer]]:
    async with (
        serve_fake(FakeServer({"": says})) as engine,
        running_endpoint(fake_settings(engine, **settings)) as proxy,
    ):
        yield proxy, engine


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/"),
        ("GET", "/docs/_doc/a%2Fb"),
        ("POST", "//_refresh"),
        ("PUT", "/%3Clogs-%7Bnow%2Fd%7D%3E/_doc/1"),
        ("GET", "/docs/_doc/%e4%b8%ad%20+x?routing=%C3%A9+&pretty&=&a=1&a=2"),
        ("DELETE", "/docs/_doc/a..%2e?refresh"),
        ("GET", "/docs/_count?q=a%26b%3Dc"),
        ("POST", "/docs;x=1/_msearch"),
        ("OPTIONS", "/docs"),
        ("PATCH", "/x"),
    ],
)
async def test_method_and_raw_path_pass(method: str, target: str) -> None:
    async with passing(FakeResponse(b"ok")) as (proxy, engine):
        got = await proxy.send(method, target, b"{}" if method in {"PUT", "POST"} else None)
    assert (got.status, got.body) == (200, b"ok")
    assert (engine.seen[0].method, engine.seen[0].target) == (method, target)


async def test_headers_pass_in_their_order_also_repeated_ones() -> None:
    said = [("X-Elastic-Product", "Elasticsearch"), ("Warning", '299 "a"'), ("x-a", "1"), ("Warning", '299 "b"')]
    sent = [("Authorization", "ApiKey abc"), ("X-B", "1"), ("Accept", "a/b"), ("X-B", "2"), ("X-Opaque-Id", "é")]
    async with passing(FakeResponse(b"", headers=said)) as (proxy, engine):
        got = await proxy.send("GET", "/_cat/health", headers=sent)
    own = {"content-length", "connection", "host", "server", "date", "content-type"}
    assert [(name, value) for name, value in got.headers.items() if name.lower() not in own] == said
    assert [(name, value) for name, value in engine.seen[0].headers.items() if name.lower() not in own] == sent
    assert engine.seen[0].headers["Host"] == engine.url.removeprefix("http://")


async def test_hop_by_hop_headers_are_not_passed() -> None:
    sent = [("Connection", "TE, keep-alive"), ("Keep-Alive", "5"), ("TE", "trailers"), ("Expect", "")]
    async with passing(FakeResponse(b"", headers=[("Keep-Alive", "9"), ("Proxy-Authenticate", "x")])) as (
        proxy,
        engine,
    ):
        got = await proxy.send("GET", "/", headers=sent)
    assert {"Keep-Alive", "TE", "Expect"} & set(engine.seen[0].headers) == set()
    assert {"Keep-Alive", "Proxy-Authenticate"} & set(got.headers) == set()


IDENTITY = [
    ("Authorization", "ApiKey mine"),
    ("Cookie", "sid=1"),
    ("es-security-runas-user", "reader"),
    ("es-secondary-authorization", "ApiKey other"),
    ("X-Forwarded-User", "ann"),
    ("X-Team", "a"),
]


@pytest.mark.parametrize("target", ["/docs/_doc/1", "/docs/_search"])
@pytest.mark.parametrize("own", [{}, {"upstream_api_key": "ours"}], ids=["none", "key"])
async def test_a_connection_header_removes_no_identity(target: str, own: dict[str, str]) -> None:
    listed = ["keep-alive, " + name for name, _ in IDENTITY] + [", ".join(name for name, _ in IDENTITY).upper()]
    async with passing(FakeResponse(b"{}"), **own) as (proxy, engine):
        for one in listed:
            for headers in (
                [("Connection", one), *IDENTITY],
                [*IDENTITY, ("Connection", "TE"), ("connection", one)],
            ):
                got = await proxy.send("GET", target, headers=headers)
                assert (got.status, "Connection header" in got.json["error"]["reason"]) == (400, True)
        assert engine.seen == []
        kept = [("X-Request-Id", "7"), ("Connection", "X-Request-Id, close, Persist")]
        assert (await proxy.send("GET", "/docs/_doc/1", headers=[*IDENTITY, *kept])).status == 200
    names = {name.lower() for name in engine.seen[0].headers}
    assert names - {"host", "accept", "accept-encoding"} == {"x-request-id", *(name.lower() for name, _ in IDENTITY)}


async def test_no_header_is_added() -> None:
    """The fake's own server adds Server and Date; one of each is all that arrives, and no default header goes."""
    async with passing(FakeResponse(b"{}")) as (proxy, engine):
        got = await proxy.send("GET", "/")
    assert set(engine.seen[0].headers) == {"Host"}
    assert len(got.headers.getall("Server", [])) <= 1
    assert len(got.headers.getall("Date", [])) <= 1
    assert set(got.headers) <= {"Content-Type", "Content-Length", "Server", "Date"}


async def test_the_response_to_a_head_request_keeps_its_content_length() -> None:
    async with passing(FakeResponse(b"", headers=[("Content-Length", "1234")])) as (proxy, _):
        got = await proxy.send("HEAD", "/docs")
        assert (got.status, got.headers["Content-Length"], got.body) == (200, "1234", b"")
        assert (await proxy.send("HEAD", "/docs/_search")).headers["Content-Length"] == "1234"


@pytest.mark.parametrize("status", [201, 204, 301, 304, 404, 409, 429, 503])
async def test_the_engines_status_passes(status: int) -> None:
    body = b"" if status in {204, 304} else b'{"error":"x"}'
    async with passing(FakeResponse(body, status=status, headers=[("Location", "/x"), ("Retry-After", "3")])) as (
        proxy,
        _,
    ):
        got = await proxy.send("PUT", "/docs/_doc/1", b"{}")
    assert (got.status, got.body, got.headers["Retry-After"]) == (status, body, "3")


async def test_compressed_bodies_pass_unchanged() -> None:
    packed = gzip.compress(b'{"index":{}}\n', mtime=0)
    coded = [("Content-Encoding", "gzip"), ("Content-Type", "application/x-ndjson")]
    async with passing(FakeResponse(packed, headers=coded)) as (proxy, engine):
        got = await proxy.send("POST", "/_bulk", packed, [*coded, ("Accept-Encoding", "gzip, br")])
    assert (engine.seen[0].body, engine.seen[0].headers["Content-Encoding"]) == (packed, "gzip")
    assert (got.body, got.headers["Content-Encoding"]) == (packed, "gzip")
    assert engine.seen[0].headers["Accept-Encoding"] == "gzip, br"


async def test_bodies_of_any_size_pass_both_ways() -> None:
    much = b"0123456789abcdef" * 200_000
    async with passing(lambda seen: FakeResponse([seen.body[:5], seen.body[5:]])) as (proxy, _):
        got = await proxy.send("POST", "/_bulk", much)
    assert got.body == much


async def test_a_response_is_streamed_while_the_engine_writes_it() -> None:
    go_on = asyncio.Event()

    async def engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await go_on.wait()
        writer.write(b"4\r\nlast\r\n0\r\n\r\n")
        writer.close()

    async with raw(engine) as proxy, proxy.session.get(proxy.url + "/_cat/x") as answer:
        assert await answer.content.readany() == b"first"
        go_on.set()
        assert await answer.content.read() == b"last"


@asynccontextmanager
async def raw(
    engine: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object],
) -> AsyncIterator[RunningEndpoint]:
    """Run an endpoint before an engine that is no more than a function of two streams."""
    server = await asyncio.start_server(engine, "127.0.0.1", 0)  # type: ignore[arg-type]
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, running_endpoint(fake_settings(upstream=url)) as proxy:
        try:
            yield proxy
        finally:
            server.close()


async def test_a_response_that_is_cut_off_is_cut_off_for_the_client_too() -> None:
    async with passing(FakeResponse([b"half"], cut_off=True)) as (proxy, _):
        with pytest.raises(aiohttp.ClientError):
            await proxy.send("GET", "/_cat/x")


@pytest.mark.parametrize("head", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
async def test_a_response_that_is_cut_off_is_logged_and_its_connection_aborted(head: bytes) -> None:
    async def engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n4\r\nhalf\r\n")
        await writer.drain()
        writer.close()

    async with raw(engine) as proxy:
        with capture_logs() as logs:
            async with proxy.session.get(proxy.url + "/_cat/x") as response:
                assert response.status == 200
                with pytest.raises(aiohttp.ClientPayloadError):
                    await response.read()
        assert [entry["event"] for entry in logs] == ["engine response cut off"]


@pytest.mark.parametrize("encoded", [True, False])
@pytest.mark.parametrize("target", ["/_bulk", "/docs/_search"])
async def test_an_engine_that_closes_silently_on_an_encoded_body_does_so_for_the_client(
    target: str, encoded: bool
) -> None:
    """Engines close the connection on a body that does not have its encoding; a client would retry a 502."""

    async def engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    headers = [("Content-Type", "application/json"), *([("Content-Encoding", "gzip")] if encoded else [])]
    async with raw(engine) as proxy:
        if encoded:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await proxy.send("POST", target, b"no gzip", headers)
        else:
            got = await proxy.send("POST", target, b"no gzip", headers)
            assert (got.status, got.json["error"]["type"]) == (502, "upstream_unreachable_exception")


async def test_a_response_before_the_whole_body_was_sent_reaches_the_client() -> None:
    async def engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge")
        await writer.drain()
        while await reader.read(1 << 16):
            pass
        writer.close()

    async with raw(engine) as proxy:
        got = await proxy.send("POST", "/_bulk", b"x" * 5_000_000)
    assert (got.status, got.body) == (413, b"large")


async def test_an_unreachable_engine_is_a_bad_gateway_in_the_engines_format() -> None:
    async with running_endpoint(fake_settings()) as proxy:
        got = await proxy.send("GET", "/docs/_doc/1")
    assert (got.status, got.headers["Content-Type"]) == (502, "application/json")
    assert got.json["error"]["type"] == "upstream_unreachable_exception"
    assert got.json["status"] == 502


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/docs/_doc/1", 200),
        ("HEAD", "/docs", 200),
        ("POST", "/docs/_search?sort=_doc", 200),
        ("POST", "/docs/_search?scroll=1m", 502),
        ("PUT", "/d", 502),
    ],
)
async def test_over_a_stale_connection_only_reads_are_retried(method: str, target: str, status: int) -> None:
    requests: list[int] = []

    async def engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer once a connection, then close it just as the next request comes."""
        requests.append(0)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read(10)
        writer.close()

    async with raw(engine) as proxy:
        assert (await proxy.send("GET", "/")).status == 200
        got = await proxy.send(method, target, b"{}" if method in {"PUT", "POST"} else None)
    assert (got.status, len(requests)) == (status, 2 if status == 200 else 1)
