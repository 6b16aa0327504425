"""Invalid and unusual HTTP, sent as raw bytes."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from es_rerank.testing import FakeResponse, FakeServer, fake_settings, running_endpoint, serve_fake

CHUNKED = b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
# Long enough for the endpoint to receive pieces separately.
PIECE_SECONDS = 0.02
OK = b"GET /_cat/health HTTP/1.1\r\nHost: x\r\n\r\n"


async def send_raw(url: str, *pieces: bytes, responses: int = 0) -> bytes:
    """Send pieces, a moment apart, and return what is received until the endpoint closes the connection.

    With *responses*, only until that many responses of the engine (`ok`) are complete. Raises TimeoutError after ten
    seconds.
    """
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*urlsplit(url).netloc.split(":"))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(PIECE_SECONDS)
        received = b""
        with suppress(ConnectionError):
            while not responses or received.count(b"\r\n\r\nok") < responses:
                data = await reader.read(65536)
                if not data:
                    break
                received += data
        writer.close()
    return received


@pytest.mark.parametrize(
    ("pieces", "status", "reason"),
    [
        ([b"GET / HTTP/1.1\r\nnocolon\r\n\r\n"], 400, "malformed"),
        ([b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n"], 400, "too long"),
        ([b"\x16\x03\x01\x02\x00\x01\x00"], 400, "malformed"),
        ([b"POST /_bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"], 400, "malformed"),
        ([CHUNKED % b"/_bulk" + b"5\r\nab", b"czz\r\nzz\r\n"], 400, "body"),
        ([CHUNKED % b"/docs/_search", b"zz\r\n"], 400, "body"),
        ([b"PURGE / HTTP/1.1\r\nHost: x\r\n\r\n"], 405, "method"),
        ([b"CONNECT engine:80 HTTP/1.1\r\nHost: x\r\n\r\n"], 405, "method"),
        ([b"GET /x HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n"], 417, "expectation"),
    ],
)
async def test_invalid_http_gets_an_error_in_the_engines_format_and_closes_the_connection(
    pieces: list[bytes], status: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        head, _, body = (await send_raw(proxy.url, *pieces, OK)).partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 %d " % status, b"HTTP/1.0 %d " % status))
    assert b"content-type: application/json" in head.lower()
    assert b"server: es-rerank" in head.lower()
    error = json.loads(body)
    assert error["status"] == status
    assert reason in error["error"]["reason"]
    assert error["error"]["root_cause"] == [{name: error["error"][name] for name in ("type", "reason")}]
    assert "Unhandled exception" not in caplog.messages


async def test_an_error_does_not_repeat_secrets_of_the_request() -> None:
    async with running_endpoint(fake_settings()) as proxy:
        received = await send_raw(
            proxy.url, b"GET / HTTP/1.1\r\nAuthorization: Basic " + b"c2VjcmV0" * 10_000 + b"\r\n\r\n"
        )
    assert b"c2VjcmV0" not in received


@pytest.mark.parametrize("line", [b"OPTIONS * HTTP/1.1", b"GET http://engine HTTP/1.1", b"GET /a%0d%0ab HTTP/1.1"])
async def test_any_form_of_request_target_reaches_the_engine(line: bytes) -> None:
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        received = await send_raw(proxy.url, line + b"\r\nHost: x\r\n\r\n", responses=1)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(engine.seen) == 1


async def test_bytes_that_are_not_ascii_are_encoded_as_the_engine_reads_them() -> None:
    line = "GET /é/_doc/検?q=ü HTTP/1.1\r\nX-Name: é\r\n".encode()
    body = "POST /_bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\né\n".encode()
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        pieces = [line[:7], line[7:] + b"Host: x\r\n\r\n", body[:60], body[60:], line + b"Host: x\r\n\r\n"]
        received = await send_raw(proxy.url, *pieces, responses=3)
    assert received.count(b"HTTP/1.1 200 OK") == 3
    as_read = "/%C3%83%C2%A9/_doc/%C3%A6%C2%A4%C2%9C?q=%C3%83%C2%BC"
    assert [seen.target for seen in engine.seen] == [as_read, "/_bulk", as_read]
    assert [seen.body for seen in engine.seen] == [b"", "é\n".encode(), b""]


async def test_another_http_version_gets_no_response() -> None:
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        assert await send_raw(proxy.url, b"DELETE /docs HTTP/2.0\r\nHost: x\r\n\r\n") == b""
    assert engine.seen == []


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
async def test_an_upgrade_is_declined_and_the_connection_stays_open(upgrade: bytes) -> None:
    request = b"POST /_bulk HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMA\r\n"
    request += b"Content-Length: 5\r\nUpgrade: " + upgrade + b"\r\n\r\n"
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        received = await send_raw(proxy.url, request + b"hello", OK, request, b"again", OK, responses=4)
    assert received.count(b"HTTP/1.1 200 OK") == 4
    assert [seen.body for seen in engine.seen] == [b"hello", b"", b"again", b""]
    assert {"Upgrade", "HTTP2-Settings"} & {name for seen in engine.seen for name in seen.headers} == set()


@pytest.mark.parametrize(
    ("pieces", "client"),
    [([b"PROXY TCP4 192.0.2.7 192.0.2.1 5 6\r\n"], "192.0.2.7"), ([b"PRO", b"XY UNKNOWN\r\n"], "127.0.0.1")],
)
async def test_a_load_balancer_sends_the_address_of_the_client(pieces: list[bytes], client: str) -> None:
    chosen = {"proxy_protocol": True, "forwarded": "replace"}
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine,
        running_endpoint(fake_settings(engine, **chosen)) as proxy,
    ):
        received = await send_raw(proxy.url, *pieces[:-1], pieces[-1] + OK, responses=1)
        assert await send_raw(proxy.url, OK) == b""
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert [seen.headers["X-Forwarded-For"] for seen in engine.seen] == [client]
