"""Many concurrent searches from a client with little overhead, so that the server dominates what is measured.

Requests are encoded in advance, the clock stops with the last byte of a response, and responses are parsed only after
all have arrived.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from .wire import Answer

LIMIT_S = 60.0
_BUFFER = 1 << 16
_LENGTH = b"content-length:"
# The last chunk; no JSON text ends like this.
_LAST = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Taken:
    """The bytes of a response and its time in seconds; empty if the connection was closed before its end."""

    raw: bytes
    seconds: float

    @property
    def lost(self) -> bool:
        return not self.raw

    @property
    def answer(self) -> Answer:
        """The parsed response."""
        head, _, body = self.raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = tuple((name, value.strip()) for name, _, value in pairs)
        content = b"".join(_chunks(body)) if _LENGTH not in head.lower() else body
        return Answer(int(first.split()[1]), headers, content)


class Connection(asyncio.BufferedProtocol):
    """A persistent connection, as a context manager. `lost` is true after the server has closed it."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)
        self._buffer = bytearray(_BUFFER)
        self._parts: list[bytes] = []
        self._size: int | None = None
        self._whole = False
        self._done: asyncio.Future[float] | None = None
        self._transport: asyncio.Transport | None = None
        self.lost = False

    async def __aenter__(self) -> Self:
        address = self._address
        await asyncio.get_running_loop().create_connection(lambda: self, address.hostname, address.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._transport:
            self._transport.abort()

    async def ask(self, request: bytes) -> Taken:
        """Send one request and wait for its response. Raises TimeoutError."""
        assert self._transport
        self._parts, self._size, self._whole = [], None, False
        self._done = asyncio.get_running_loop().create_future()
        started = time.perf_counter()
        if self.lost:
            return Taken(b"", 0.0)
        self._transport.write(request)
        ended = await asyncio.wait_for(self._done, LIMIT_S)
        return Taken(b"".join(self._parts) if self._whole else b"", ended - started)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        self.lost = True
        self._finish()

    def get_buffer(self, _sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(memoryview(self._buffer)[:nbytes])
        if not self._parts:
            self._size = _size(data)
        self._parts.append(data)
        if self._size is None:
            self._whole = b"".join(self._parts[-2:]).endswith(_LAST)
        else:
            self._whole = sum(map(len, self._parts)) == self._size
        if self._whole:
            self._finish()

    def _finish(self) -> None:
        if self._done and not self._done.done():
            self._done.set_result(time.perf_counter())


def _size(data: bytes) -> int | None:
    """Return the length of a response from its head, which is in the first packet; None if it is chunked."""
    end = data.index(b"\r\n\r\n") + 4
    length = data[:end].lower().partition(_LENGTH)[2]
    return end + int(length.split(None, 1)[0]) if length else None


def _chunks(body: bytes) -> Iterator[bytes]:
    """Yield the chunks of a body."""
    while body != _LAST:
        size, _, rest = body.partition(b"\r\n")
        yield rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]


def post(target: str, body: bytes) -> bytes:
    """Write a request with a JSON body."""
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def at_once(url: str, requests: Sequence[bytes]) -> list[Taken]:
    """Open one connection per request, then send all requests, and wait for all responses."""
    async with AsyncExitStack() as opened:
        connections = [await opened.enter_async_context(Connection(url)) for _ in requests]
        with _undisturbed():
            pending = (one.ask(request) for one, request in zip(connections, requests, strict=True))
            return await asyncio.gather(*pending)


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """One of many requests: its number, when it was sent, and its response."""

    number: int
    sent: float
    taken: Taken


class Stream:
    """Consecutive requests on several connections, until `stop`; they are numbered from *first*.

    A connection that was closed between two requests is opened again, as clients do; a request is lost if its
    connection is closed during the request, or cannot be opened.
    """

    def __init__(self, url: str, write: Callable[[int], bytes], first: int, pause: float = 0.0) -> None:
        self._url, self._write, self._pause = url, write, pause
        self._numbers = itertools.count(first)
        self._wanted = True
        self.sent: list[EngineRequest] = []

    async def run(self, connections: int) -> None:
        await asyncio.gather(*(self._one() for _ in range(connections)))

    def stop(self) -> None:
        self._wanted = False

    async def _one(self) -> None:
        while self._wanted:
            try:
                async with Connection(self._url) as connection:
                    while self._wanted and not connection.lost:
                        await self._next(connection.ask)
            except ConnectionError:
                await self._next(_nothing)

    async def _next(self, ask: Callable[[bytes], Awaitable[Taken]]) -> None:
        """Send the next request, then pause."""
        number, sent = next(self._numbers), time.monotonic()
        self.sent.append(EngineRequest(number, sent, await ask(self._write(number))))
        await asyncio.sleep(self._pause)


async def _nothing(_request: bytes) -> Taken:
    """Return the result of a request for which no connection can be opened."""
    return Taken(b"", 0.0)


def p99_ms(all_: Sequence[Taken]) -> float:
    """Return the 99th percentile of the response times in milliseconds."""
    return 1e3 * sorted(one.seconds for one in all_)[math.ceil(0.99 * len(all_)) - 1]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Disable garbage collection during a measurement."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
