"""Invalid and unusual HTTP, sent as raw bytes."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from urllib.parse import urlsplit

import psutil
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
        ([b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n"], 431, "longer than 65536 bytes"),
        ([b"\x16\x03\x01\x02\x00\x01\x00"], 400, "malformed"),
        ([b"POST /_bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"], 400, "malformed"),
        ([CHUNKED % b"/_bulk" + b"5\r\nab", b"czz\r\nzz\r\n"], 400, "body"),
        ([CHUNKED % b"/docs/_search", b"zz\r\n"], 400, "body"),
        ([CHUNKED % b"/_bulk" + b"5\r\nhello", b"\r\nzz\r\n"], 400, "body"),
        ([CHUNKED % b"/docs/_search" + b"5\r\nhello", b"\r\nzz\r\n"], 400, "body"),
        ([CHUNKED % b"/docs/_search" + b"5\r\nhello", b"\r\n0\r\nnocolon\r\n\r\n"], 400, "body"),
        ([b"PURGE / HTTP/1.1\r\nHost: x\r\n\r\n"], 405, "method"),
        ([b"CONNECT engine:80 HTTP/1.1\r\nHost: x\r\n\r\n"], 405, "method"),
        ([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], 400, "malformed"),
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


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
async def test_a_request_behind_an_upgrade_in_the_same_segment_is_not_lost(upgrade: bytes) -> None:
    request = b"POST /_bulk HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %b\r\n" % upgrade
    wire = request + b"Content-Length: 5\r\n\r\nhello" + OK + request + b"\r\n" + OK
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        received = await send_raw(proxy.url, wire, responses=4)
    assert received.count(b"HTTP/1.1 200 OK") == 4
    assert [(seen.method, seen.body) for seen in engine.seen] == [
        ("POST", b"hello"),
        ("GET", b""),
        ("POST", b""),
        ("GET", b""),
    ]


TRAILERS = (
    b"es-security-runas-user: admin",
    b"X-First: 1\r\nConnection: authorization",
    b"Content-Encoding: gzip",
    b"X-Empty:",
)
OWN = {"Authorization": "ApiKey mine", "X-Own": "1"}


@pytest.mark.parametrize("trailers", TRAILERS)
@pytest.mark.parametrize("body", [b"", b"5\r\nhello\r\n"], ids=["empty", "hello"])
async def test_a_trailer_of_a_request_is_no_header_of_the_next(trailers: bytes, body: bytes) -> None:
    first = CHUNKED % b"/_bulk" + body + b"0\r\n" + trailers + b"\r\n\r\n"
    second = b"GET /docs/_doc/1 HTTP/1.1\r\nHost: x\r\nAuthorization: ApiKey mine\r\nX-Own: 1\r\n\r\n"
    search = b'POST /docs/_search HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n\r\n{"query":{"match":1}}'
    ways = [[first + second], [first, second], [first + first + second], [first[:-3], first[-3:] + second]]
    for pieces in [*ways, [first + search + first, second]]:
        async with (
            serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine,
            running_endpoint(fake_settings(engine)) as proxy,
        ):
            received = await send_raw(proxy.url, *pieces, responses=b"".join(pieces).count(b"HTTP/1.1"))
        assert b" 400 " not in received
        assert dict(engine.seen[-1].headers) == {"Host": engine.seen[-1].headers["Host"], **OWN}
        names = {name for seen in engine.seen for name in seen.headers}
        assert names & {"es-security-runas-user", "X-First", "X-Empty", "Content-Encoding"} == set()


@pytest.mark.parametrize(
    "trailers",
    [
        b"nocolon",
        b"a: b\n\nGET / HTTP/1.1",
        b"a: b\x00",
        b" a: b",
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
    ],
)
async def test_malformed_trailers_end_the_connection(trailers: bytes) -> None:
    wire = CHUNKED % b"/_bulk" + b"0\r\n" + trailers + b"\r\n\r\n"
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        await send_raw(proxy.url, wire, OK)
    assert [seen.target for seen in engine.seen if seen.target != "/_bulk"] == []


@pytest.mark.parametrize("size", [1, 100])
async def test_a_body_of_many_small_chunks_behind_which_requests_wait_is_read_to_its_end(size: int) -> None:
    """More chunks, and more requests, than the connection keeps at once: it stops reading several times."""
    body = b"".join(b"%x\r\n%b\r\n" % (size, b"a" * size) for _ in range(20_000)) + b"0\r\nX-Trailer: 1\r\n\r\n"
    wire = CHUNKED % b"/_bulk" + body + OK * 100 + CHUNKED % b"/_bulk" + body + OK
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        received = await send_raw(proxy.url, wire, responses=103)
    assert received.count(b"HTTP/1.1 200 OK") == 103
    assert [len(seen.body) for seen in engine.seen] == [20_000 * size, *[0] * 100, 20_000 * size, 0]
    assert [seen for seen in engine.seen if "X-Trailer" in seen.headers] == []


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


async def test_a_head_that_is_never_complete_is_not_kept_beyond_the_limit() -> None:
    """Three clients send headers, up to 20 MB of them, until the endpoint closes the connection."""
    process = psutil.Process()
    async with running_endpoint(fake_settings()) as proxy:
        before = process.memory_info().rss
        sent = await asyncio.gather(*(send_headers(proxy.url, 340) for _ in range(3)))
        grown = process.memory_info().rss - before
        assert await send_headers(proxy.url, 2) == 2
    assert max(sent) < 340
    assert grown < 20_000_000


async def send_headers(url: str, count: int) -> int:
    """Send *count* headers of 60 KB, but no end of them; return how many were sent before the connection was closed."""
    reader, writer = await asyncio.open_connection(*urlsplit(url).netloc.split(":"))
    writer.write(b"GET / HTTP/1.1\r\n")
    sent = 0
    with suppress(ConnectionError):
        while sent < count:
            writer.write(b"a%d: %b\r\n" % (sent, b"x" * 60_000))
            await writer.drain()
            sent += 1
        assert b" 431 Request Header Fields Too Large" in await reader.readline()
    writer.close()
    return sent


async def test_a_head_that_is_late_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("es_rerank.server.listen.connection._HEAD_SECONDS", 0.05)
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        received = await send_raw(proxy.url, b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /b HTTP/1.1\r\nHost: x\r\n")
    assert received.count(b"HTTP/1.1 200 OK") == 1
    head, _, body = received.rpartition(b"\r\n\r\n")
    assert b" 408 Request Timeout" in head
    assert json.loads(body)["error"]["type"] == "timeout_exception"
    assert engine.targets() == ["/a"]
