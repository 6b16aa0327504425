from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from es_rerank.model import Failed, Why
from es_rerank.rerank.backends import BACKENDS, RerankCall
from es_rerank.rerank_client import transport as transport_module
from es_rerank.rerank_client.transport import RerankTransport, batch_limit
from es_rerank.testing import FakeResponse, FakeServer, ReceivedRequest, fake_settings, serve_fake

CALL = RerankCall("leaking hose", ["a", "b"], "some/model")
GOOD = FakeResponse(json.dumps({"data": [{"index": 0, "score": 1.5}, {"index": 1, "score": -2}]}).encode())


async def send(
    response: FakeResponse | None, seconds: float = 5.0, **settings: str
) -> tuple[list[float] | Failed, FakeServer]:
    """Send one call to a server that responds like this; None: nothing listens there."""
    async with serve_fake(FakeServer({"/": response or GOOD})) as server:
        chosen = fake_settings(reranker=server if response else None, **settings)
        transport = RerankTransport(chosen, chosen.reranker[0], BACKENDS["vllm"])
        try:
            return await transport.ask(CALL, time.monotonic() + seconds), server
        finally:
            await transport.close()


async def test_one_request_gives_a_score_for_each_text() -> None:
    found, server = await send(GOOD)
    assert found == [1.5, -2.0]
    seen = server.seen[0]
    assert (seen.method, seen.target, seen.headers["Content-Type"]) == ("POST", "/score", "application/json")
    assert seen.json["text_2"] == ["a", "b"]
    assert "Authorization" not in seen.headers


async def test_a_key_is_sent_as_a_bearer_token() -> None:
    _, server = await send(GOOD, reranker_api_key="s3cret")
    assert server.seen[0].headers["Authorization"] == "Bearer s3cret"


async def test_a_response_in_chunks_is_joined() -> None:
    assert isinstance(GOOD.body, bytes)
    found, _ = await send(FakeResponse([GOOD.body[:7], GOOD.body[7:]]))
    assert found == [1.5, -2.0]


@pytest.mark.parametrize(
    ("response", "why"),
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
async def test_every_fault_is_a_value(response: FakeResponse | None, why: Why) -> None:
    found, _ = await send(response, seconds=0.1 if why is Why.DEADLINE else 5.0)
    assert isinstance(found, Failed)
    assert found.why is why


SECRET = "s3cret-bearer-token"
TEXT = "a text of a document that no other client may read"


@asynccontextmanager
async def raw(*responses: bytes | None) -> AsyncIterator[tuple[RerankTransport, list[int]]]:
    """A server that sends these bytes to one request after another, and the last to all others; None: it hangs up.

    The list has the number of the connection of each request.
    """
    seen: list[int] = []
    connections = count()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(connections)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.lower().partition(b"content-length:")[2].split()[0]
                await reader.readexactly(int(length))
                seen.append(number)
                response = responses[min(len(seen), len(responses)) - 1]
                if response is None:
                    break
                writer.write(response)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    transport = RerankTransport(fake_settings(reranker_api_key=SECRET), url, BACKENDS["vllm"])
    try:
        yield transport, seen
    finally:
        await transport.close()
        server.close()


def http(body: bytes | Sequence[bytes]) -> bytes:
    assert isinstance(body, bytes)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def test_a_request_on_an_idle_connection_that_the_server_closed_is_sent_again() -> None:
    async with raw(http(GOOD.body), None, http(GOOD.body)) as (transport, seen):
        assert await transport.ask(CALL, time.monotonic() + 5.0) == [1.5, -2.0]
        assert await transport.ask(CALL, time.monotonic() + 5.0) == [1.5, -2.0]
    assert seen == [0, 0, 1]


async def test_a_server_that_always_hangs_up_gets_two_requests() -> None:
    async with raw(None) as (transport, seen):
        assert await transport.ask(CALL, time.monotonic() + 5.0) == Failed(
            Why.UNREACHABLE, "it closed the connection without a response"
        )
    assert seen == [0, 1]


@pytest.mark.parametrize(
    "response",
    [
        f"-ERR unknown command 'Authorization: Bearer {SECRET}'\r\n",
        f"HTTP/1.1 400 Bad\r\nYou sent: Authorization: Bearer {SECRET}\r\nno colon {TEXT}\r\n\r\n",
        f"HTTP/1.x you sent {TEXT} with {SECRET}\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + TEXT + "\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 50\r\n\r\n" + TEXT,
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + TEXT,
    ],
)
async def test_a_response_that_cannot_be_decoded_is_not_quoted(response: str) -> None:
    async with raw(response.encode()) as (transport, _):
        found = await transport.ask(replace(CALL, texts=[TEXT]), time.monotonic() + 5.0)
    assert isinstance(found, Failed)
    assert found.why is Why.BAD_ANSWER
    assert not any(hidden in found.detail for hidden in (SECRET, TEXT[:16], "127.0.0.1", "Error"))


TEXTS = [f"text {at}" for at in range(7)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ('{"error":"batch size 33 > maximum allowed batch size 32","error_type":"Validation"}', 32),
        ("max_client_batch_size: 16", 16),
        ("Maximum batch size is 64, got 100", 64),
        ("at most 1000 documents can be reranked", 1000),
        ("input length 9000 is too long", None),
        ("", None),
    ],
)
def test_batch_limit(words: str, expected: int | None) -> None:
    assert batch_limit(words) == expected


def limited(max_texts: int, max_characters: int = 1000) -> FakeServer:
    """A server that accepts a limited number of texts, each of a limited number of characters."""

    def score(seen: ReceivedRequest) -> FakeResponse:
        texts = seen.json["texts"]
        if len(texts) > max_texts:
            words = f"batch size {len(texts)} > maximum allowed batch size {max_texts}"
            return FakeResponse(json.dumps({"error": words, "error_type": "Validation"}).encode(), status=422)
        if any(len(text) > max_characters for text in texts):
            return FakeResponse(b'{"error":"input_tokens: too long","error_type":"Validation"}', status=413)
        return FakeResponse(
            json.dumps([{"index": at, "score": float(text[-1])} for at, text in enumerate(texts)]).encode()
        )

    return FakeServer({"": score})


async def send_texts(server: FakeServer, texts: list[str]) -> tuple[list[float] | Failed, int, list[int]]:
    """Send texts; return the answer, the batch limit after it, and the texts of each request."""
    async with serve_fake(server):
        chosen = fake_settings(reranker=server, backend="tei")
        transport = RerankTransport(chosen, chosen.reranker[0], BACKENDS["tei"])
        transport.max_batch = 100
        found = await transport.ask(RerankCall("query", texts, "model"), time.monotonic() + 5.0)
        await transport.close()
        return found, transport.max_batch, [len(seen.json["texts"]) for seen in server.seen]


async def test_a_batch_that_is_too_large_is_split_and_the_limit_is_kept() -> None:
    with capture_logs() as lines:
        assert await send_texts(limited(3), TEXTS) == ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, [7, 3, 3, 1])
    assert [(line["event"], line["max_batch"]) for line in lines] == [
        ("batch size limit learned from the rerank server", 3)
    ]


async def test_a_batch_within_the_limit_is_one_request() -> None:
    assert await send_texts(limited(7), TEXTS) == ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 100, [7])


async def test_a_fault_of_one_request_is_a_fault_of_all() -> None:
    found, _, sizes = await send_texts(limited(3, max_characters=8), [*TEXTS[:4], "much longer 4", *TEXTS[5:]])
    assert isinstance(found, Failed)
    assert (found.why, sizes) == (Why.TOO_LONG, [7, 3, 3])


async def test_texts_that_are_too_long_are_sent_once_more_at_half_their_length() -> None:
    assert await send_texts(limited(9, max_characters=8), ["12345678912"]) == ([5.0], 100, [1, 1])
    found, _, sizes = await send_texts(limited(9, max_characters=8), ["1" * 20])
    assert isinstance(found, Failed)
    assert sizes == [1, 1]


@pytest.mark.parametrize("error", [OSError("no route"), ConnectionResetError(), aiohttp.ClientOSError(111, "refused")])
async def test_an_error_of_the_operating_system_means_unreachable(
    error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def post(*_args: object, **_options: object) -> None:
        raise error

    async with raw(None) as (transport, seen):
        monkeypatch.setattr(transport._open_session(), "post", post)
        answer = await transport.ask(CALL, time.monotonic() + 5.0)
    assert isinstance(answer, Failed)
    assert (answer.why, seen) == (Why.UNREACHABLE, [])


async def test_a_response_above_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(GOOD.body, bytes)
    monkeypatch.setattr(transport_module, "_MAX_RESPONSE_BYTES", len(GOOD.body))
    assert (await send(GOOD))[0] == [1.5, -2.0]
    monkeypatch.setattr(transport_module, "_MAX_RESPONSE_BYTES", len(GOOD.body) - 1)
    found, _ = await send(GOOD)
    assert found == Failed(Why.BAD_ANSWER, f"the response is longer than {len(GOOD.body) - 1} bytes")


@pytest.mark.parametrize(
    ("padding", "status", "why"),
    [
        (292, 400, Why.TOO_LONG),
        (293, 400, Why.REFUSED),
        (0, 404, Why.REFUSED),
        (0, 499, Why.REFUSED),
        (0, 500, Why.RERANKER_ERROR),
    ],
)
async def test_a_text_is_too_long_if_the_first_bytes_of_a_refusal_say_so(padding: int, status: int, why: Why) -> None:
    found, _ = await send(FakeResponse(b"-" * padding + b"too long", status=status))
    assert isinstance(found, Failed)
    assert found.why is why


async def test_a_missed_deadline_says_how_long_the_request_had() -> None:
    found, _ = await send(FakeResponse(GOOD.body, seconds=1.0), seconds=0.1)
    assert found == Failed(Why.DEADLINE, "no answer within 0.1 s")


async def test_the_batch_limit_only_falls() -> None:
    server = limited(3)
    async with serve_fake(server):
        chosen = fake_settings(reranker=server, backend="tei")
        transport = RerankTransport(chosen, chosen.reranker[0], BACKENDS["tei"])
        assert transport.max_batch == 32
        transport.max_batch = 2
        assert await transport.ask(RerankCall("q", TEXTS[:4], "model"), time.monotonic() + 5.0) == [0.0, 1.0, 2.0, 3.0]
        await transport.close()
    assert transport.max_batch == 2


async def test_a_refusal_that_names_no_smaller_batch_is_a_fault() -> None:
    refusal = FakeResponse(b"maximum batch size is 7", status=422)
    found, limit, sizes = await send_texts(FakeServer({"": refusal}), TEXTS)
    assert found == Failed(Why.REFUSED, "HTTP 422: maximum batch size is 7")
    assert (limit, sizes) == (100, [7])


async def test_the_requests_of_a_split_batch_share_one_deadline() -> None:
    def slow(seen: ReceivedRequest) -> FakeResponse:
        first = len(seen.json["texts"]) == len(TEXTS)
        response = limited(3).says[""](seen)  # type: ignore[operator]
        return response if first else replace(response, seconds=60)

    async with serve_fake(FakeServer({"": slow})) as server:
        chosen = fake_settings(reranker=server, backend="tei")
        transport = RerankTransport(chosen, chosen.reranker[0], BACKENDS["tei"])
        found = await transport.ask(RerankCall("q", TEXTS, "model"), time.monotonic() + 0.2)
        await transport.close()
    assert isinstance(found, Failed)
    assert (found.why, len(server.seen)) == (Why.DEADLINE, 2)


async def test_an_idle_connection_is_closed_before_the_server_does_it() -> None:
    transport = RerankTransport(fake_settings(), "http://one", BACKENDS["vllm"])
    connector = transport._open_session().connector
    assert connector is not None
    assert 0 < connector._keepalive_timeout < 5.0, "uvicorn waits for five seconds"
    await transport.close()


async def test_a_wrong_model_name_is_reported_with_the_names_that_the_server_has() -> None:
    missing = FakeResponse(b'{"error":{"message":"The model `some/model` does not exist."}}', status=404)
    models = FakeResponse(b'{"data":[{"id":"the/one","root":"/models/one"}]}')
    async with serve_fake(FakeServer({"/v1/models": models, "/score": missing})) as server:
        transport = RerankTransport(fake_settings(), server.url, BACKENDS["vllm"])
        assert await transport.ask(CALL, time.monotonic() + 5.0) == Failed(
            Why.REFUSED, f"the server does not have the model `{CALL.model}`: set `model` to `the/one`"
        )
        assert await transport.models() == {"the/one": "/models/one"}
        await transport.close()


@pytest.mark.parametrize(
    "models", [FakeResponse(b"no", status=404), FakeResponse(b"no"), FakeResponse(b"", cut_off=True)]
)
async def test_a_404_of_a_server_that_lists_no_models_is_reported_as_it_is(models: FakeResponse) -> None:
    missing = FakeResponse(b"no such path", status=404)
    async with serve_fake(FakeServer({"/v1/models": models, "/score": missing})) as server:
        transport = RerankTransport(fake_settings(), server.url, BACKENDS["vllm"])
        assert await transport.ask(CALL, time.monotonic() + 5.0) == Failed(Why.REFUSED, "HTTP 404: no such path")
        await transport.close()


async def test_requests_are_sent_to_a_unix_socket(tmp_path: Path) -> None:
    models = FakeResponse(b'{"data":[{"id":"the/one","root":"/models/one"}]}')
    async with serve_fake(FakeServer({"/v1/models": models, "/score": GOOD}), tmp_path / "vllm.sock") as server:
        transport = RerankTransport(fake_settings(), server.url, BACKENDS["vllm"])
        assert await transport.ask(CALL, time.monotonic() + 5.0) == [1.5, -2.0]
        assert await transport.models() == {"the/one": "/models/one"}
        await transport.close()
    assert [received.target for received in server.seen] == ["/score", "/v1/models"]
    assert server.seen[0].headers["Host"] == "localhost"


@pytest.mark.parametrize("name", ["missing.sock", "file"])
async def test_a_socket_that_nobody_listens_on_is_unreachable(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    transport = RerankTransport(fake_settings(), f"unix:{tmp_path / name}", BACKENDS["vllm"])
    answer = await transport.ask(CALL, time.monotonic() + 5.0)
    await transport.close()
    assert isinstance(answer, Failed)
    assert answer.why is Why.UNREACHABLE
    assert answer.detail in {"no such file or directory", "connection refused"}


@pytest.mark.parametrize("path", ["", "/v1", "/serve/reranker"])
async def test_a_server_may_have_a_base_path(path: str) -> None:
    async with serve_fake(FakeServer({f"{path}/score": GOOD})) as server:
        chosen = fake_settings(reranker=FakeServer(url=f"{server.url}{path}/"))
        transport = RerankTransport(chosen, chosen.reranker[0], BACKENDS["vllm"])
        assert await transport.ask(CALL, time.monotonic() + 5) == [1.5, -2.0]
        await transport.close()
    assert server.targets() == [f"{path}/score"]
