from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from multidict import CIMultiDict

from es_rerank.config.settings import Settings
from es_rerank.engine_client.client import EngineClient
from es_rerank.errors import ConfigError, RequestError, UpstreamError
from es_rerank.net.messages import Chunks, OutgoingRequest
from es_rerank.testing import FakeResponse, FakeServer, fake_settings, serve_fake

NOWHERE = "http://127.0.0.1:9"


@asynccontextmanager
async def reaching(*urls: str, **more: object) -> AsyncIterator[EngineClient]:
    upstream = EngineClient(fake_settings(upstream=urls, **more))
    try:
        yield upstream
    finally:
        await upstream.close()


async def said(upstream: EngineClient, request: OutgoingRequest) -> bytes:
    async with upstream.open(request) as answer:
        return await answer.content.read()


async def test_a_base_path_stands_before_every_path() -> None:
    async with serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine, reaching(f"{engine.url}/base/") as upstream:
        assert await said(upstream, OutgoingRequest("GET", "/a%2Fb?x=%20")) == b"ok"
    assert engine.seen[0].target == "/base/a%2Fb?x=%20"


async def test_no_answer_is_an_upstream_error() -> None:
    async with reaching(NOWHERE) as upstream:
        with pytest.raises(UpstreamError, match="cannot be reached"):
            await said(upstream, OutgoingRequest("GET", "/", retryable=True))


async def test_an_answer_that_was_not_read_to_its_end_frees_its_connection() -> None:
    async with serve_fake(FakeServer({"": FakeResponse(b"x" * 1_000_000)})) as engine, reaching(engine.url) as upstream:
        for _ in range(3):
            async with upstream.open(OutgoingRequest("GET", "/")) as answer:
                await answer.content.readany()
    assert len(engine.seen) == 3


def test_an_authority_that_cannot_be_read_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"upstream_ca: .*No such file"):
        EngineClient(Settings(upstream="https://engine", upstream_ca=tmp_path / "ca.pem"))


async def test_nodes_take_turns() -> None:
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"a")})) as one,
        serve_fake(FakeServer({"": FakeResponse(b"b")})) as other,
        reaching(one.url, other.url) as upstream,
    ):
        assert [await said(upstream, OutgoingRequest("GET", "/")) for _ in range(4)] == [b"a", b"b", b"a", b"b"]


async def test_a_node_that_is_not_reached_costs_no_request_not_even_a_write_with_a_streamed_body() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"write"

    async with serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine, reaching(NOWHERE, engine.url) as upstream:
        assert [await said(upstream, OutgoingRequest("POST", "/_bulk", body=Chunks(body()))) for _ in range(4)] == [
            b"ok"
        ] * 4
    assert [seen.body for seen in engine.seen] == [b"one write"] * 4


@asynccontextmanager
async def closing(answer: Callable[[int], bytes | None]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Run a node that gives its n-th answer, or cuts the connection for None.

    The heads that it saw are noted, each behind the number of its connection.
    """
    heads: list[bytes] = []
    connections: list[object] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        number = b"%d " % len(connections)
        while head := await reader.read(65536):
            heads.append(number + head)
            found = answer(len(heads))
            if found is None:
                break
            writer.write(found)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(("again", "sent"), [(True, 2), (False, 1)])
async def test_a_cut_connection_is_a_reason_to_send_once_more_for_reads_alone(again: bool, sent: int) -> None:
    async with closing(lambda _: None) as (url, heads), reaching(url, NOWHERE) as upstream:
        with pytest.raises(UpstreamError):
            await said(upstream, OutgoingRequest("GET", "/", retryable=again))
    assert len(heads) == sent


@pytest.mark.parametrize(
    "long", [OutgoingRequest("GET", "/" + "x" * 4096), OutgoingRequest("GET", "/", CIMultiDict(A="x" * 9000))]
)
async def test_a_connection_whose_head_may_have_been_refused_serves_no_other_request(long: OutgoingRequest) -> None:
    """Engines refuse a head that is too long and leave the connection open, but never answer on it again."""
    async with closing(lambda _: OK) as (url, heads), reaching(url) as upstream:
        for request in (OutgoingRequest("GET", "/"), long, OutgoingRequest("GET", "/"), long):
            await said(upstream, request)
    assert [head[:1] for head in heads] == [b"1", b"2", b"1", b"3"]


async def test_an_answer_before_the_end_of_the_upload_ends_the_upload() -> None:
    go_on = asyncio.Event()
    read: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        for chunk in (b"first", b"second"):
            read.append(chunk)
            yield chunk
            await go_on.wait()

    refused = b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"
    async with (
        asyncio.timeout(5),
        closing(lambda _: refused) as (url, _),
        reaching(url) as upstream,
        upstream.open(OutgoingRequest("POST", "/_bulk", body=Chunks(body()))) as answer,
    ):
        assert answer.status == 429
    assert read == [b"first"]


async def test_a_body_that_cannot_be_read_is_the_clients_fault() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"good"
        raise RequestError("malformed")

    async with serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine, reaching(engine.url) as upstream:
        with pytest.raises(RequestError, match="malformed"):
            await said(upstream, OutgoingRequest("POST", "/_bulk", body=Chunks(body())))


async def test_another_engine_is_asked_in_plain_words_and_shown_in_its_own() -> None:
    vendor = "application/vnd.elasticsearch+json; compatible-with=8"
    headers = CIMultiDict({"Accept": vendor, "Content-Type": vendor})
    async with (
        serve_fake(
            FakeServer({"": FakeResponse(b"{}", headers=[("Content-Type", "application/json; charset=UTF-8")])})
        ) as engine,
        reaching(engine.url, emulate="elasticsearch-8") as upstream,
        upstream.open(OutgoingRequest("POST", "/", headers, b"{}")) as answer,
    ):
        assert answer.headers["Content-Type"] == "application/vnd.elasticsearch+json;compatible-with=8"
        assert answer.headers.getall("X-Elastic-Product") == ["Elasticsearch"]
    assert engine.seen[0].headers["Accept"] == engine.seen[0].headers["Content-Type"] == "application/json"
