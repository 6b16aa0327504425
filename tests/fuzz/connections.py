"""Invariant of client connections: what the engine receives of request n depends on request n alone.

Sequences of requests are sent on one connection, cut into segments anywhere, and compared with the same requests, each
sent alone. Everything but the sockets is real: the connection, its parser, the checks of requests and, for one input in
eight, the whole application. For the others, a handler without routing and engine client is ten times as fast.
"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD
from multidict import CIMultiDict
from structlog.testing import capture_logs

from es_rerank.config.settings import Settings
from es_rerank.errors import RequestError
from es_rerank.net.limits import MAX_HEADERS, READ_BUFFER_BYTES
from es_rerank.net.messages import EngineResponse, OutgoingRequest, Stream
from es_rerank.server import client_request
from es_rerank.server.app import runner
from es_rerank.server.listen.connection import Connection
from es_rerank.server.listen.request_checks import RequestHead, check_request, malformed
from es_rerank.server.state import STATE
from es_rerank.testing import fake_settings
from tests.fuzz.inputs import Choices, parted

_MAX_REQUESTS, _MAX_FIELDS = 5, 3
_MAX_STEPS = 400
_LINES = (
    b"GET /_cat/health",
    b"POST /_bulk",
    b"PUT /docs/_doc/1",
    b"POST /docs/_search",
    b"DELETE /docs",
    b"OPTIONS *",
)
_VERSIONS = (b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0")
_FIELDS = (
    b"Authorization: ApiKey mine",
    b"es-security-runas-user: admin",
    b"Connection: authorization",
    b"Connection: close",
    b"Connection: keep-alive, Upgrade",
    b"Upgrade: h2c",
    b"Upgrade: websocket",
    b"Expect: 100-continue",
    b"Cookie: a=1",
    b"X-Empty:",
    b"Content-Encoding: gzip",
    b"TE: trailers",
    b"Trailer: X-A",
)
# They would move the end of a request, which the target must know.
_FRAMING = (b"content-length", b"transfer-encoding")


_MAX_KNOWN = 50_000


class Received(NamedTuple):
    """A request as the engine receives it."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Alone(NamedTuple):
    """What happens to a request that is sent alone: what the engine receives, and whether the connection is closed."""

    received: Sequence[Received]
    closes: bool


_KNOWN: dict[tuple[bytes, bool], Alone] = {}


class _Engine:
    """Records the requests that are sent to the engine; it knows no index."""

    distribution = "opensearch"

    def __init__(self) -> None:
        self.seen: list[Received] = []

    async def close(self) -> None:
        """Close nothing."""

    @asynccontextmanager
    async def open(self, request: OutgoingRequest) -> AsyncIterator[EngineResponse]:
        """Record a request with its whole body."""
        body = request.body
        read = b"".join([chunk async for chunk in body]) if isinstance(body, Stream) else body or b""
        if "_field_caps" not in request.target:
            self.seen.append(Received(request.method, request.target, tuple(request.headers.items()), read))
        yield EngineResponse(404, "Not Found", CIMultiDict({"Content-Length": "0"}), EMPTY_PAYLOAD, elasticsearch=False)


class _Transport(asyncio.Transport):
    """A transport that takes what is written and never blocks."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1), "sockname": ("192.0.2.2", 2)})
        self.closed = self.paused = False

    def write(self, data: Any) -> None:
        """Drop the data."""

    def writelines(self, list_of_data: Any) -> None:
        """Drop the data."""

    def is_closing(self) -> bool:
        """Return whether the transport is closed."""
        return self.closed

    def close(self) -> None:
        """Close the transport."""
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        """Hold what the client sends."""
        self.paused = True

    def resume_reading(self) -> None:
        """Go on with what the client sends."""
        self.paused = False


class _Endpoint(NamedTuple):
    """The servers of the whole application and of the fast handler, and the engine that they send requests to."""

    loop: asyncio.AbstractEventLoop
    application: web.Server
    fast: web.Server
    engine: _Engine


@cache
def _endpoint() -> _Endpoint:
    """Start the application once."""
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    running = runner(fake_settings(profile="minilm"))
    state = running.app[STATE]
    engine = _Engine()
    for place, name in ((state, "upstream"), (state.indices, "_engine")):
        object.__setattr__(place, name, engine)
    running.app.cleanup_ctx.clear()
    with capture_logs():
        loop.run_until_complete(running.setup())
    assert running.server is not None

    async def fast(request: web.BaseRequest) -> web.StreamResponse:
        return await _passed(request, state.settings, engine)

    return _Endpoint(loop, running.server, web.Server(fast, loop=loop), engine)


async def _passed(request: web.BaseRequest, settings: Settings, engine: _Engine) -> web.StreamResponse:
    """Check a request and record it, as the application does for a request that it passes through."""
    rejected = check_request(RequestHead(request.method, request.raw_path, request.headers, request.version))
    answer = web.Response(status=400 if rejected else 404)
    try:
        body = b"" if rejected else b"".join([chunk async for chunk in client_request.ClientBody(request)])
    except RequestError:
        rejected = malformed("the body")
    if rejected:
        request.content.feed_eof()
        answer.force_close()
        return answer
    target, headers = client_request.target(request), client_request.headers(request, settings)
    engine.seen.append(Received(request.method, target, tuple(headers.items()), body))
    return answer


async def _sent(endpoint: _Endpoint, segments: Sequence[bytes], *, whole: bool) -> Alone:
    """Send segments on a new connection, until it is closed or idle; *whole*: to the whole application."""
    endpoint.engine.seen.clear()
    transport = _Transport()
    connection = Connection(
        endpoint.application if whole else endpoint.fast,
        max_head=fake_settings().max_header_size,
        loop=endpoint.loop,
        access_log=None,
        auto_decompress=False,
        tcp_keepalive=False,
        lingering_time=0,
        read_bufsize=READ_BUFFER_BYTES,
        max_headers=MAX_HEADERS,
    )
    connection.connection_made(transport)
    waiting = list(reversed(segments))
    for _ in range(_MAX_STEPS):
        await asyncio.sleep(0)
        if transport.closed or (not waiting and _is_idle(connection)):
            break
        if waiting and not transport.paused:
            connection.data_received(waiting.pop())
    else:
        raise AssertionError("the connection is neither idle nor closed")
    closed = transport.closed
    transport.closed = True
    connection.connection_lost(None)
    await asyncio.sleep(0)
    return Alone(tuple(endpoint.engine.seen), closed)


def _is_idle(connection: Connection) -> bool:
    """Return whether the connection has answered everything and waits for the next request."""
    return connection._waiter is not None and not connection._messages


async def _alone(request: bytes, *, whole: bool) -> Alone:
    """Send a request on a connection of its own, in one segment."""
    if (request, whole) not in _KNOWN:
        if len(_KNOWN) > _MAX_KNOWN:
            _KNOWN.clear()
        _KNOWN[request, whole] = await _sent(_endpoint(), [request], whole=whole)
    return _KNOWN[request, whole]


def _field(turn: Choices, others: Sequence[bytes], *, in_head: bool) -> bytes:
    """Return a header or trailer field: a known one, or any line of the input."""
    line = turn.one(others) if others and turn.switch() else turn.one(_FIELDS)
    return line if not in_head or line.partition(b":")[0].strip().lower() not in _FRAMING else b"X-A: 1"


def _request(turn: Choices, others: Sequence[bytes]) -> bytes:
    """Make a request whose end is certain, with any header and trailer fields."""
    fields = [_field(turn, others, in_head=True) for _ in range(turn.number(_MAX_FIELDS))]
    head = [turn.one(_LINES) + b" " + turn.one(_VERSIONS), b"Host: x", *fields]
    body = turn.one((b"", b"hello", b'{"query":{"match":{"a":"b"}}}', b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"))
    form = turn.number(2)
    if form == 0:
        return b"\r\n".join([*head, b"", b""])
    if form == 1:
        return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])
    size = turn.number(9) + 1
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    extension = turn.one((b"", b"", b";a=1"))
    coded = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    trailers = b"".join(_field(turn, others, in_head=False) + b"\r\n" for _ in range(turn.number(_MAX_FIELDS)))
    head.append(b"Transfer-Encoding: chunked")
    return b"\r\n".join([*head, b"", coded + b"0" + extension, trailers]) + b"\r\n"


def connections(data: bytes) -> None:
    """Sequences of requests on one connection, with trailers and pipelined: each is received as if it was alone."""
    with capture_logs():
        _endpoint().loop.run_until_complete(checked(data))


async def checked(data: bytes) -> None:
    """Send a sequence of requests, and compare what the engine receives."""
    prefix, lines = parted(data, 2)
    turn = Choices(prefix)
    whole = not turn.number(7)
    others = [line.replace(b"\r", b"") for line in lines.split(b"\n") if line.strip()]
    requests = [_request(turn, others) for _ in range(turn.number(_MAX_REQUESTS - 1) + 1)]
    wire = b"".join(request + turn.one((b"", b"", b"\r\n")) for request in requests)
    cuts = sorted({turn.number(255) * 256 + turn.number(255) for _ in range(turn.number(7))})
    ends = [0, *(cut % len(wire) for cut in cuts), len(wire)]
    segments = [wire[start:end] for start, end in zip(sorted(ends), sorted(ends)[1:], strict=False) if start < end]
    expected: list[Received] = []
    for request in requests:
        alone = await _alone(request, whole=whole)
        expected += alone.received
        if alone.closes:
            break
    found = await _sent(_endpoint(), segments, whole=whole)
    assert list(found.received) == expected, "a request is received otherwise than alone"
