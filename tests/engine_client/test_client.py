from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path

import pytest
from aiohttp.http import StreamWriter
from multidict import CIMultiDict
from structlog.testing import capture_logs

from es_rerank.config.settings import Settings
from es_rerank.engine_client import client
from es_rerank.engine_client.client import EngineClient
from es_rerank.errors import ConfigError, RequestError, UpstreamError
from es_rerank.net.messages import OutgoingRequest, Stream
from es_rerank.testing import FakeResponse, FakeServer, fake_settings, serve_fake
from tests.engine_client.chunks import Chunks

NOWHERE = "http://127.0.0.1:9"
GET = OutgoingRequest("GET", "/")
SEARCH = OutgoingRequest("GET", "/", retryable=True)


@asynccontextmanager
async def client_of(*urls: str, **settings: object) -> AsyncIterator[EngineClient]:
    engine = EngineClient(fake_settings(upstream=urls, **settings))
    try:
        yield engine
    finally:
        await engine.close()


async def fetch(engine: EngineClient, request: OutgoingRequest = GET) -> bytes:
    async with engine.open(request) as response:
        return await response.content.read()


async def test_a_base_path_is_prepended_to_every_path() -> None:
    async with serve_fake(FakeServer({"": FakeResponse(b"ok")})) as node, client_of(f"{node.url}/base/") as engine:
        assert await fetch(engine, OutgoingRequest("GET", "/a%2Fb?x=%20")) == b"ok"
    assert node.seen[0].target == "/base/a%2Fb?x=%20"


async def test_no_response_is_an_upstream_error() -> None:
    async with client_of(NOWHERE) as engine:
        with pytest.raises(UpstreamError, match="cannot be reached") as caught:
            await fetch(engine, OutgoingRequest("GET", "/", retryable=True))
    assert not caught.value.silent


async def test_a_response_that_was_not_read_to_its_end_frees_its_connection() -> None:
    async with serve_fake(FakeServer({"": FakeResponse(b"x" * 1_000_000)})) as node, client_of(node.url) as engine:
        for _ in range(3):
            async with engine.open(GET) as response:
                await response.content.readany()
    assert len(node.seen) == 3


def test_a_ca_file_that_cannot_be_read_is_an_error_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"upstream_ca: .*No such file"):
        EngineClient(Settings(upstream="https://engine", upstream_ca=tmp_path / "ca.pem"))


async def test_nodes_are_asked_in_turn() -> None:
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"a")})) as one,
        serve_fake(FakeServer({"": FakeResponse(b"b")})) as other,
        client_of(one.url, other.url) as engine,
    ):
        assert [await fetch(engine) for _ in range(4)] == [b"a", b"b", b"a", b"b"]


async def test_an_unreachable_node_fails_no_request_not_even_a_write_with_a_streamed_body() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"write"

    async with serve_fake(FakeServer({"": FakeResponse(b"ok")})) as node, client_of(NOWHERE, node.url) as engine:
        for _ in range(4):
            assert await fetch(engine, OutgoingRequest("POST", "/_bulk", body=Chunks(body()))) == b"ok"
    assert [seen.body for seen in node.seen] == [b"one write"] * 4


@asynccontextmanager
async def raw_node(respond: Callable[[int], bytes | None]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Run a node that sends its n-th response, or closes the connection for None.

    Yields its URL and the request heads that it received, each after the number of its connection.
    """
    heads: list[bytes] = []
    connections: list[object] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        number = b"%d " % len(connections)
        while head := await reader.read(65536):
            heads.append(number + head)
            response = respond(len(heads))
            if response is None:
                break
            writer.write(response)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
REFUSED = b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(("retryable", "sent"), [(True, 2), (False, 1)])
async def test_only_a_retryable_request_is_sent_again_after_a_closed_connection(retryable: bool, sent: int) -> None:
    async with raw_node(lambda _: None) as (url, heads), client_of(url, NOWHERE) as engine:
        with pytest.raises(UpstreamError) as caught:
            await fetch(engine, OutgoingRequest("GET", "/", retryable=retryable))
    assert len(heads) == sent
    assert caught.value.silent


@pytest.mark.parametrize(("retryable", "sent"), [(True, 2), (False, 1)])
async def test_a_request_that_a_node_has_received_is_not_sent_to_every_other_node(retryable: bool, sent: int) -> None:
    async with (
        raw_node(lambda _: None) as (one, first),
        raw_node(lambda _: None) as (other, second),
        client_of(one, other) as engine,
    ):
        with pytest.raises(UpstreamError):
            await fetch(engine, OutgoingRequest("POST", "/_doc", body=b"{}", retryable=retryable))
    assert len([head for head in [*first, *second] if b"POST" in head]) == sent


async def test_while_a_node_closes_each_connection_searches_are_sent_to_another_node() -> None:
    """Sidecars and load balancers do this while the node behind them is down."""
    async with (
        raw_node(lambda _: None) as (one, _),
        serve_fake(FakeServer({"": FakeResponse(b"ok")})) as other,
        client_of(one, other.url) as engine,
    ):
        assert [await fetch(engine, SEARCH) for _ in range(4)] == [b"ok"] * 4


async def test_a_search_on_a_stale_connection_is_sent_again_if_no_other_node_is_up() -> None:
    stale = [OK, None, OK]
    async with raw_node(lambda number: stale[number - 1]) as (url, heads), client_of(url, NOWHERE) as engine:
        for _ in range(2):
            await fetch(engine, SEARCH)
    assert [head[:5] for head in heads] == [b"1 GET", b"1 GET", b"2 GET"]


async def test_a_write_on_a_stale_connection_is_not_sent_twice() -> None:
    async with raw_node(lambda number: OK if number == 1 else None) as (url, heads), client_of(url) as engine:
        await fetch(engine)
        with pytest.raises(UpstreamError):
            await fetch(engine, OutgoingRequest("PUT", "/docs"))
    assert [head[:5] for head in heads] == [b"1 GET", b"1 PUT"]


LONG = OutgoingRequest("GET", "/" + "x" * 4096), OutgoingRequest("GET", "/", CIMultiDict(A="x" * 9000))


@pytest.mark.parametrize("long", LONG)
async def test_a_connection_whose_request_line_or_headers_are_long_is_not_reused(long: OutgoingRequest) -> None:
    """Engines refuse headers that are too long and leave the connection open, but never respond on it again."""
    async with raw_node(lambda _: OK) as (url, heads), client_of(url) as engine:
        for request in (GET, long, GET, long):
            await fetch(engine, request)
    assert [head[:1] for head in heads] == [b"1", b"2", b"1", b"3"]


@pytest.mark.parametrize("authorization", ["NTLM TlRMTVNTUAAB", "Negotiate YII=", "negotiate TlRMTVNTUAAB"])
async def test_a_connection_that_a_server_may_have_authenticated_is_used_by_nobody_else(authorization: str) -> None:
    bound = OutgoingRequest("GET", "/bound", CIMultiDict(Authorization=authorization))
    own = OutgoingRequest("GET", "/own", CIMultiDict(Authorization="Basic eDp5"))
    async with raw_node(lambda _: OK) as (url, heads), client_of(url) as engine:
        for request in (own, bound, own, bound, GET):
            await fetch(engine, request)
    assert [head[:1] for head in heads] == [b"1", b"2", b"1", b"3", b"1"]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (OutgoingRequest("GET", "x" * 4000), False),
        (OutgoingRequest("GET", "x" * 4001), True),
        (OutgoingRequest("GET", "/", CIMultiDict([("A", "x" * 3999), ("B", "x" * 3999)])), False),
        (OutgoingRequest("GET", "/", CIMultiDict([("A", "x" * 3999), ("B", "x" * 4000)])), True),
    ],
)
def test_how_long_a_request_line_and_headers_may_be(request_: OutgoingRequest, expected: bool) -> None:
    assert client._is_long(request_) is expected


def test_only_a_large_body_is_sent_in_chunks() -> None:
    limit = client._LARGE_BODY_BYTES
    assert client._data(b"x" * limit) == b"x" * limit
    assert isinstance(client._data(b"x" * (limit + 1)), BytesIO)
    assert client._data(None) is None


class SlowToStop(Stream):
    """A body that is sent in part, and takes a moment to stop when it is cancelled."""

    reading = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def copy_stream(self, sink: StreamWriter) -> None:
        self.reading = True
        try:
            await sink.write(b"first")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            self.reading = False


async def test_after_an_early_response_the_body_is_no_longer_read_when_the_request_ends() -> None:
    """The server reads the rest of the body itself, so two readers must not overlap."""
    body = SlowToStop()
    async with asyncio.timeout(5), raw_node(lambda _: REFUSED) as (url, _), client_of(url) as engine:
        async with engine.open(OutgoingRequest("POST", "/_bulk", body=body)) as response:
            assert (response.status, body.reading) == (429, True)
        assert not body.reading


async def test_an_early_response_ends_the_upload() -> None:
    go_on = asyncio.Event()
    read: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        for chunk in (b"first", b"second"):
            read.append(chunk)
            yield chunk
            await go_on.wait()

    async with (
        asyncio.timeout(5),
        raw_node(lambda _: REFUSED) as (url, heads),
        client_of(url) as engine,
    ):
        async with engine.open(OutgoingRequest("POST", "/_bulk", body=Chunks(body()))) as response:
            assert response.status == 429
            assert await response.content.read() == b""
        await fetch(engine)
    assert read == [b"first"]
    assert (heads[0][:1], heads[-1][:5]) == (b"1", b"2 GET"), "the connection with the unfinished upload was reused"


async def test_a_finished_upload_leaves_its_connection_for_the_next_request() -> None:
    connections: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while not reader.at_eof():
            await reader.readuntil(b"0\r\n\r\n")
            writer.write(OK)

    async def body() -> AsyncIterator[bytes]:
        yield b"whole"

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        async with client_of(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as engine:
            for _ in range(3):
                await fetch(engine, OutgoingRequest("POST", "/_bulk", body=Chunks(body())))
        assert len(connections) == 1
        connections[0].close()


async def test_a_body_that_cannot_be_read_is_the_clients_error() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"good"
        raise RequestError("malformed")

    async with serve_fake(FakeServer({"": FakeResponse(b"ok")})) as node, client_of(node.url) as engine:
        with pytest.raises(RequestError, match="malformed"):
            await fetch(engine, OutgoingRequest("POST", "/_bulk", body=Chunks(body())))


async def test_vendor_media_types_of_an_emulated_engine_are_translated_both_ways() -> None:
    vendor = "application/vnd.elasticsearch+json; compatible-with=8"
    headers = CIMultiDict({"Accept": vendor, "Content-Type": vendor})
    async with (
        serve_fake(
            FakeServer({"": FakeResponse(b"{}", headers=[("Content-Type", "application/json; charset=UTF-8")])})
        ) as node,
        client_of(node.url, emulate="elasticsearch-8") as engine,
        engine.open(OutgoingRequest("POST", "/", headers, b"{}")) as response,
    ):
        assert response.headers["Content-Type"] == "application/vnd.elasticsearch+json;compatible-with=8"
        assert response.headers.getall("X-Elastic-Product") == ["Elasticsearch"]
        assert not response.elasticsearch
    assert node.seen[0].headers["Accept"] == node.seen[0].headers["Content-Type"] == "application/json"


async def test_elasticsearch_is_recognised_by_its_product_header() -> None:
    says = FakeResponse(headers=[("X-Elastic-Product", "Elasticsearch")])
    async with (
        serve_fake(FakeServer({"": says})) as node,
        client_of(node.url) as engine,
        engine.open(GET) as response,
    ):
        assert response.elasticsearch


async def test_cookies_of_the_engine_are_not_kept_for_other_callers() -> None:
    says = FakeResponse(b"ok", headers=[("Set-Cookie", "sid=secret; Path=/")])
    async with serve_fake(FakeServer({"": says})) as node, client_of(node.url) as engine:
        for _ in range(2):
            await fetch(engine)
    assert ["Cookie" in seen.headers for seen in node.seen] == [False, False]


async def test_a_node_that_goes_down_and_comes_back_is_logged_once_each() -> None:
    async with serve_fake(FakeServer({"": FakeResponse(b"ok")})) as node, client_of(node.url) as engine:
        with capture_logs() as logs:
            url, engine._nodes.urls = node.url, [NOWHERE]
            with pytest.raises(UpstreamError):
                await fetch(engine)
            engine._nodes.urls = [url]
            engine._nodes.failed(url, 0.0)
            for _ in range(2):
                await fetch(engine)
    assert [(line["event"], line["node"]) for line in logs] == [
        ("node unreachable", NOWHERE),
        ("node reachable again", url),
    ]
    assert url not in engine._nodes.down


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
async def test_without_file_descriptors_no_node_counts_as_down(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_socket(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    async with client_of("http://127.0.0.1:9200") as engine:
        with monkeypatch.context() as patch, capture_logs() as logs:
            patch.setattr(socket, "socket", no_socket)
            with pytest.raises(UpstreamError, match="too many open files"):
                await fetch(engine)
        assert (logs, engine._nodes.down) == ([], {})


async def test_the_time_to_connect_is_limited_and_the_time_to_respond_is_not() -> None:
    async with client_of(NOWHERE, connect_timeout="250ms") as engine:
        timeout = engine._session(once=False).timeout
    assert (timeout.sock_connect, timeout.total, timeout.sock_read) == (0.25, None, None)


async def test_repr_shows_nodes_and_sessions_and_no_credentials() -> None:
    secrets = {"upstream_username": "me", "upstream_password": "s3cret"}
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"ok")})) as node,
        client_of(NOWHERE, node.url, **secrets) as engine,
    ):
        assert repr(engine) == (
            f"EngineClient(NodePool(up=['{NOWHERE}', '{node.url}'], down=[]), sessions=0, distribution=None)"
        )
        engine.distribution = "opensearch"
        await fetch(engine)
        assert repr(engine) == (
            f"EngineClient(NodePool(up=['{node.url}'], down=['{NOWHERE}']), sessions=1, distribution='opensearch')"
        )


@asynccontextmanager
async def raw_engine(response: bytes) -> AsyncIterator[tuple[str, list[int]]]:
    """Run a server that answers each request without a body with the same bytes; yields its URL and connections."""
    connections: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(len(connections))
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(response)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", connections


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 103 Early Hints\r\nX-Hint: 1\r\n\r\n"])
async def test_a_trailer_of_a_response_is_no_header_of_the_next(before: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Own: 1\r\n\r\n"
    async with (
        raw_engine(before + head + b"2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n") as (url, connections),
        client_of(url) as engine,
    ):
        for _ in range(3):
            async with engine.open(GET) as response:
                assert await response.content.read() == b"ok"
                assert dict(response.headers) == {"X-Own": "1"}
    assert len(connections) == 1
