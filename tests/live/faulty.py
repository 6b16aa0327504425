"""A rerank server that answers as badly as it is told to, byte for byte, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self

Behaviour = Callable[[asyncio.StreamWriter, Sequence[str]], Awaitable[None]]
# Longer than any deadline of the tests.
LONG_S = 30.0


def scored(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Score texts as vLLM does, in an order other than the engine's."""
    return [{"index": at, "score": float(at)} for at in range(len(texts))]


def answer(body: bytes, status: str = "200 OK", kind: str = "application/json") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        status.encode(),
        kind.encode(),
        len(body),
        body,
    )


def data(rows: object) -> bytes:
    return answer(json.dumps({"data": rows}).encode())


async def good(writer: asyncio.StreamWriter, texts: Sequence[str]) -> None:
    writer.write(data(scored(texts)))


def says(make: Callable[[Sequence[str]], bytes]) -> Behaviour:
    """Answer with what *make* writes."""

    async def behave(writer: asyncio.StreamWriter, texts: Sequence[str]) -> None:
        writer.write(make(texts))

    return behave


def refuses(status: str, words: str) -> Behaviour:
    return says(lambda _: answer(json.dumps({"error": {"message": words}}).encode(), status))


def cut(share: float) -> Behaviour:
    """Break off after a share of the answer."""

    async def behave(writer: asyncio.StreamWriter, texts: Sequence[str]) -> None:
        whole = data(scored(texts))
        writer.write(whole[: int(len(whole) * share)])
        await writer.drain()
        writer.transport.abort()

    return behave


async def silent(_writer: asyncio.StreamWriter, _texts: Sequence[str]) -> None:
    await asyncio.sleep(LONG_S)


async def late(writer: asyncio.StreamWriter, texts: Sequence[str]) -> None:
    await asyncio.sleep(LONG_S)
    await good(writer, texts)


async def dripping(writer: asyncio.StreamWriter, texts: Sequence[str]) -> None:
    for byte in data(scored(texts)):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.1)


def with_score(token: str) -> Behaviour:
    """Answer with one score that is no number of JSON, or none at all."""
    return says(lambda texts: answer(json.dumps({"data": scored(texts)}).replace("0.0", token, 1).encode()))


def rows(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Behaviour:
    """Answer with other rows than there should be."""
    return says(lambda texts: data(change(scored(texts))))


BAD_ANSWER = frozenset({"bad_answer"})
# What may go wrong, in the words of the table, and what clients are told (the reasons that may stand in `X-Rerank`).
FAULTS: Mapping[str, tuple[Behaviour, frozenset[str]]] = {
    "reset at the first byte": (cut(0.0), frozenset({"unreachable", "bad_answer"})),
    "reset within the head": (cut(0.1), frozenset({"unreachable", "bad_answer"})),
    "reset within the body": (cut(0.8), frozenset({"unreachable", "bad_answer"})),
    "silent": (silent, frozenset({"deadline"})),
    "slow first byte": (late, frozenset({"deadline"})),
    "slow body": (dripping, frozenset({"deadline"})),
    "400, too long": (refuses("400 Bad Request", "input_tokens: too long"), frozenset({"too_long"})),
    "401": (refuses("401 Unauthorized", "who are you"), frozenset({"refused"})),
    "404, wrong model": (refuses("404 Not Found", "no such model"), frozenset({"refused"})),
    "413": (refuses("413 Payload Too Large", "payload too large"), frozenset({"refused"})),
    "422": (refuses("422 Unprocessable Entity", "validation"), frozenset({"refused"})),
    "429": (refuses("429 Too Many Requests", "busy"), frozenset({"overloaded"})),
    "500": (refuses("500 Internal Server Error", "out of memory"), frozenset({"reranker_error"})),
    "503": (refuses("503 Service Unavailable", "starting"), frozenset({"reranker_error"})),
    "HTML": (says(lambda _: answer(b"<html>hello</html>", kind="text/html")), BAD_ANSWER),
    "truncated JSON": (says(lambda texts: answer(json.dumps(scored(texts)).encode()[:-9])), BAD_ANSWER),
    "an index missing": (rows(lambda all_: all_[1:]), BAD_ANSWER),
    "an index twice": (rows(lambda all_: [*all_[1:], all_[1]]), BAD_ANSWER),
    "one score too many": (rows(lambda all_: [*all_, {"index": 99, "score": 1}]), BAD_ANSWER),
    "NaN": (with_score("NaN"), BAD_ANSWER),
    "Infinity": (with_score("1e999"), BAD_ANSWER),
    "null": (with_score("null"), BAD_ANSWER),
}


class Faulty:
    """The server; `behave` is how it answers from now on."""

    def __init__(self) -> None:
        self.behave: Behaviour = good
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._up.set()
        await self._stop.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                texts = json.loads(await reader.readexactly(length))["text_2"]
                await self.behave(writer, texts)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
