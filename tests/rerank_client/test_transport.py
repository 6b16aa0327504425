from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import count

import pytest

from es_rerank.model import Failed, Why
from es_rerank.rerank.backends import BACKENDS, Question
from es_rerank.rerank_client.transport import Transport
from es_rerank.testing import FakeResponse, FakeServer, fake_settings, serve_fake

QUESTION = Question("leaking hose", ["a", "b"], "some/model")
GOOD = FakeResponse(json.dumps({"data": [{"index": 0, "score": 1.5}, {"index": 1, "score": -2}]}).encode())


async def asked(
    said: FakeResponse | None, seconds: float = 5.0, **more: str
) -> tuple[list[float] | Failed, FakeServer]:
    async with serve_fake(FakeServer({"/": said or GOOD})) as server:
        chosen = fake_settings(reranker=server if said else None, **more)
        wire = Transport(chosen, chosen.reranker[0], BACKENDS["vllm"])
        try:
            return await wire.ask(QUESTION, time.monotonic() + seconds), server
        finally:
            await wire.close()


async def test_one_request_one_answer() -> None:
    found, server = await asked(GOOD)
    assert found == [1.5, -2.0]
    seen = server.seen[0]
    assert (seen.method, seen.target, seen.headers["Content-Type"]) == ("POST", "/score", "application/json")
    assert seen.json["text_2"] == ["a", "b"]
    assert "Authorization" not in seen.headers


async def test_a_key_is_sent_as_a_bearer_token() -> None:
    _, server = await asked(GOOD, reranker_api_key="s3cret")
    assert server.seen[0].headers["Authorization"] == "Bearer s3cret"


async def test_an_answer_in_pieces_is_one_answer() -> None:
    assert isinstance(GOOD.body, bytes)
    found, _ = await asked(FakeResponse([GOOD.body[:7], GOOD.body[7:]]))
    assert found == [1.5, -2.0]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (None, Why.UNREACHABLE),
        (FakeResponse(GOOD.body, seconds=0.3), Why.DEADLINE),
        (FakeResponse(b"", cut_off=True), Why.BAD_ANSWER),
        (FakeResponse(b""), Why.BAD_ANSWER),
        (FakeResponse(b"<html>"), Why.BAD_ANSWER),
        (FakeResponse(b"\xff"), Why.BAD_ANSWER),
        (FakeResponse(b"[" * 100_000), Why.BAD_ANSWER),
        (FakeResponse(b'{"data":[]}'), Why.BAD_ANSWER),
        (FakeResponse(b'{"data":[{"index":0,"score":1},{"index":1,"score":NaN}]}'), Why.BAD_ANSWER),
        (FakeResponse(b'{"data":[{"index":0,"score":1},{"index":1,"score":1' + b"0" * 400 + b"}]}"), Why.BAD_ANSWER),
        (FakeResponse(GOOD.body, headers=[("Content-Encoding", "gzip")]), Why.BAD_ANSWER),
        (FakeResponse(b"", status=302, headers=[("Location", "/")]), Why.REFUSED),
        (FakeResponse(b'{"message":"maximum context length is 8192"}', status=400), Why.TOO_LONG),
        (FakeResponse(b"too long", status=413), Why.TOO_LONG),
        (FakeResponse(b"no such model", status=404), Why.REFUSED),
        (FakeResponse(b"unprocessable", status=422), Why.REFUSED),
        (FakeResponse(b"busy", status=429), Why.OVERLOADED),
        (FakeResponse(b"out of memory", status=500), Why.RERANKER_ERROR),
        (FakeResponse(b"starting", status=503), Why.RERANKER_ERROR),
    ],
)
async def test_every_fault_is_a_value(said: FakeResponse | None, why: Why) -> None:
    found, _ = await asked(said, seconds=0.1 if why is Why.DEADLINE else 5.0)
    assert isinstance(found, Failed)
    assert found.why is why


SECRET = "s3cret-bearer-token"
TEXT = "a text of a document that nobody else may read"


@asynccontextmanager
async def raw(*answers: bytes | None) -> AsyncIterator[tuple[Transport, list[int]]]:
    """Ask a server that says these bytes to one request after another, the last for ever; None: it just hangs up.

    The list has the number of the connection that each request came by.
    """
    came: list[int] = []
    connections = count()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(connections)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.lower().partition(b"content-length:")[2].split()[0]
                await reader.readexactly(int(length))
                came.append(number)
                said = answers[min(len(came), len(answers)) - 1]
                if said is None:
                    break
                writer.write(said)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    wire = Transport(fake_settings(reranker_api_key=SECRET), url, BACKENDS["vllm"])
    try:
        yield wire, came
    finally:
        await wire.close()
        server.close()


def http(body: bytes | Sequence[bytes]) -> bytes:
    assert isinstance(body, bytes)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def test_a_kept_connection_that_the_server_closes_costs_no_search() -> None:
    async with raw(http(GOOD.body), None, http(GOOD.body)) as (wire, came):
        assert await wire.ask(QUESTION, time.monotonic() + 5.0) == [1.5, -2.0]
        assert await wire.ask(QUESTION, time.monotonic() + 5.0) == [1.5, -2.0]
    assert came == [0, 0, 1]


async def test_a_server_that_always_hangs_up_is_asked_twice() -> None:
    async with raw(None) as (wire, came):
        assert await wire.ask(QUESTION, time.monotonic() + 5.0) == Failed(
            Why.UNREACHABLE, "it closed the connection without an answer"
        )
    assert came == [0, 1]


@pytest.mark.parametrize(
    "said",
    [
        f"-ERR unknown command 'Authorization: Bearer {SECRET}'\r\n",
        f"HTTP/1.1 400 Bad\r\nYou sent: Authorization: Bearer {SECRET}\r\nno colon {TEXT}\r\n\r\n",
        f"HTTP/1.x you sent {TEXT} with {SECRET}\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + TEXT + "\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 46\r\n\r\n" + TEXT,
        "HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n" + TEXT,
    ],
)
async def test_an_answer_that_cannot_be_read_is_not_repeated(said: str) -> None:
    async with raw(said.encode()) as (wire, _):
        found = await wire.ask(replace(QUESTION, texts=[TEXT]), time.monotonic() + 5.0)
    assert isinstance(found, Failed)
    assert found.why is Why.BAD_ANSWER
    assert not any(hidden in found.detail for hidden in (SECRET, TEXT[:16], "127.0.0.1", "Error"))
