"""A rerank server with selectable faults, in its own thread. Its responses are controlled byte by byte."""

from __future__ import annotations

import asyncio
import json
import random
import re
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from .storm import Order, by_number, number

Behaviour = Callable[[asyncio.StreamWriter, Sequence[str]], Awaitable[None]]
SEED = 7
# Limits of a server that rejects requests: maximum characters of a text, and maximum texts of a request.
SHORT, FEW = 40, 4
# Seconds from the start of a batch until the server dies, and from then until the server is restarted.
MIDST_S, AWAY_S = 0.1, 1.0
# Maximum seconds until searches are reranked again: on the page, and in a test run, since machines may stall.
RECOVERY_S, LIMIT_S = 5, 20
# Longer than any deadline of the tests.
LONG_S = 30.0


def scored(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Score texts by their numbers, in vLLM's format. The texts of a probe have none."""
    return [{"index": at, "score": number(text) / 4 if "number " in text else 0.0} for at, text in enumerate(texts)]


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
    """Respond with the bytes that *make* returns for the texts of the request."""

    async def behave(writer: asyncio.StreamWriter, texts: Sequence[str]) -> None:
        writer.write(make(texts))

    return behave


def rejection(status: str, words: str) -> bytes:
    return answer(json.dumps({"error": {"message": words}}).encode(), status)


def refuses(status: str, words: str) -> Behaviour:
    return says(lambda _: rejection(status, words))


def cut(share: float) -> Behaviour:
    """Close the connection after *share* (0 to 1) of the response."""

    async def behave(writer: asyncio.StreamWriter, texts: Sequence[str]) -> None:
        whole = data(scored(texts))
        writer.write(whole[: int(len(whole) * share)])
        await writer.drain()
        writer.transport.abort()

    return behave


def cut_anywhere() -> Behaviour:
    """Close the connection within the response, after another byte for each request."""
    chance = random.Random(SEED)

    async def behave(writer: asyncio.StreamWriter, texts: Sequence[str]) -> None:
        await cut(chance.random())(writer, texts)

    return behave


def equal(texts: Sequence[str]) -> bytes:
    return data([{**row, "score": 0.5} for row in scored(texts)])


def short_only(texts: Sequence[str]) -> bytes:
    """Reject texts that are too long."""
    if any(len(text) > SHORT for text in texts):
        return rejection("400 Bad Request", "input_tokens: too long")
    return data(scored(texts))


def few_only(texts: Sequence[str]) -> bytes:
    """Reject requests with too many texts."""
    if len(texts) > FEW:
        return rejection("422 Unprocessable Entity", f"batch size {len(texts)} > maximum allowed batch size {FEW}")
    return data(scored(texts))


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
    """Respond with *token* in place of the first score, which is then not a finite number."""
    first = re.compile(r'(?<="score": )[0-9.]+')
    return says(lambda texts: answer(first.sub(token, json.dumps({"data": scored(texts)}), count=1).encode()))


def rows(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Behaviour:
    """Respond with the rows that *change* returns for the correct rows."""
    return says(lambda texts: data(change(scored(texts))))


class Faulty:
    """The server. `behave` responds to a request."""

    def __init__(self) -> None:
        self.behave: Behaviour = good
        self.url = ""
        self._port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._moving = asyncio.Lock()
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

    def well(self) -> None:
        """Open the port, if it is closed, and respond correctly."""
        self.behave = good
        self._do(self._open())

    def leave(self) -> None:
        """Close the port and all connections."""
        self._do(self._close())

    async def restart(self) -> None:
        """Close all connections as if killed, and respond correctly again after `AWAY_S`. Behaviours call this.

        If a test has selected another behaviour by then, that behaviour is kept.
        """
        dying = self.behave
        await self._close()
        await asyncio.sleep(AWAY_S)
        if self.behave is dying:
            self.behave = good
            await self._open()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _open(self) -> None:
        async with self._moving:
            if self._server is None:
                self._server = await asyncio.start_server(self._connection, "127.0.0.1", self._port, backlog=1024)
                self._port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        async with self._moving:
            if self._server:
                self._server.close()
                self._server = None
            for writer in self._writers:
                writer.transport.abort()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        await self._open()
        self.url = f"http://127.0.0.1:{self._port}"
        self._up.set()
        await self._stop.wait()
        await self._close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"GET "):
                    # The server lists no models and has no metrics.
                    writer.write(answer(b"{}", "404 Not Found"))
                    continue
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                texts = json.loads(await reader.readexactly(length))["text_2"]
                await self.behave(writer, texts)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # Cancelled only when the server is closed.
        finally:
            self._writers.discard(writer)
            writer.close()


@dataclass(frozen=True)
class Fault:
    """One fault of the server.

    Attributes:
        begin: Starts the fault.
        outcomes: The outcomes that clients may see: `reranked` or a reason.
        order: The order of hits in searches that are reranked in spite of the fault.
    """

    begin: Callable[[Faulty], None]
    outcomes: frozenset[str]
    order: Order = by_number


def behaving(behave: Behaviour, *outcomes: str, order: Order = by_number) -> Fault:
    def begin(server: Faulty) -> None:
        server.behave = behave

    return Fault(begin, frozenset(outcomes), order)


def dying(server: Faulty) -> None:
    """Restart shortly after the first request, while other requests are in flight."""
    held: list[asyncio.StreamWriter] = []

    async def behave(writer: asyncio.StreamWriter, _texts: Sequence[str]) -> None:
        held.append(writer)
        if held == [writer]:
            await asyncio.sleep(MIDST_S)
            if server.behave is behave:
                await server.restart()
        await asyncio.sleep(LONG_S)

    server.behave = behave


BROKEN = ("unreachable", "bad_answer")
LATE = ("deadline", "overloaded")
# The faults, by their names in the table. The endpoint learns from the last fault, so it must be the last row.
FAULTS: Mapping[str, Fault] = {
    "connection refused": Fault(Faulty.leave, frozenset({"unreachable"})),
    "restart during a batch": Fault(dying, frozenset(BROKEN)),
    "reset at the first byte": behaving(cut(0.0), *BROKEN),
    "reset within the headers": behaving(cut(0.1), *BROKEN),
    "reset within the body": behaving(cut(0.8), *BROKEN),
    "reset at any byte": behaving(cut_anywhere(), *BROKEN),
    "no response": behaving(silent, *LATE),
    "slow first byte": behaving(late, *LATE),
    "slow body": behaving(dripping, *LATE),
    "400, too long": behaving(refuses("400 Bad Request", "input_tokens: too long"), "too_long"),
    "400, too long, until the text is shortened": behaving(says(short_only), "reranked"),
    "401": behaving(refuses("401 Unauthorized", "who are you"), "refused"),
    "404, wrong model": behaving(refuses("404 Not Found", "no such model"), "refused"),
    "413": behaving(refuses("413 Payload Too Large", "payload too large"), "refused"),
    "422": behaving(refuses("422 Unprocessable Entity", "validation"), "refused"),
    "429": behaving(refuses("429 Too Many Requests", "busy"), "overloaded"),
    "500": behaving(refuses("500 Internal Server Error", "out of memory"), "reranker_error"),
    "503": behaving(refuses("503 Service Unavailable", "starting"), "reranker_error"),
    "HTML": behaving(says(lambda _: answer(b"<html>hello</html>", kind="text/html")), "bad_answer"),
    "truncated JSON": behaving(says(lambda texts: answer(json.dumps(scored(texts)).encode()[:-9])), "bad_answer"),
    "a missing index": behaving(rows(lambda all_: all_[1:]), "bad_answer"),
    "a duplicate index": behaving(rows(lambda all_: [*all_[1:], all_[-1]]), "bad_answer"),
    "one score too many": behaving(rows(lambda all_: [*all_, {"index": 99, "score": 1}]), "bad_answer"),
    "NaN": behaving(with_score("NaN"), "bad_answer"),
    "Infinity": behaving(with_score("1e999"), "bad_answer"),
    "null": behaving(with_score("null"), "bad_answer"),
    "all scores equal": behaving(says(equal), "reranked", order=list),
    "422, too many texts per request": behaving(says(few_only), "reranked"),
}
