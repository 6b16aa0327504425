"""A rerank server that answers each request after a fixed time: `python -m tests.bench.stub MILLISECONDS`.

Requests do not wait for each other. It prints its port, and implements vLLM's `/score` and `/rerank` with reproducible
scores. It uses as little processor time as possible, because it shares the processor with what is measured.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import cast

import httptools
import msgspec
import uvloop

_HEAD = "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Dialect:
    """The names of the members of one API: the texts of a request, the list of scores, and a score."""

    texts: str
    rows: str
    score: str

    def answer(self, body: bytes) -> bytes:
        """Return the response body for a request body."""
        texts = msgspec.json.decode(body)[self.texts]
        rows = [{"index": at, self.score: (len(text) * 7919 % 1000) / 100 - 5} for at, text in enumerate(texts)]
        return msgspec.json.encode({self.rows: rows})


DIALECTS = {
    b"/score": Dialect("text_2", "data", "score"),
    b"/rerank": Dialect("documents", "results", "relevance_score"),
}


class Connection(asyncio.Protocol):
    """A connection of a client. httptools calls the methods whose names begin with `on_`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._body: list[bytes] = []
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._target, self._body, self._began = b"", [], self._loop.time()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if dialect := DIALECTS.get(self._target):
            answer = dialect.answer(b"".join(self._body))
            self._loop.call_at(self._began + self._seconds, self._write, "200 OK", answer)
        else:
            self._write("404 Not Found", b"{}")

    def _write(self, status: str, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(_HEAD.format(status, len(answer)).encode() + answer)


async def serve(seconds: float) -> None:
    """Print the port and serve until the process is killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(seconds), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(float(sys.argv[1]) / 1e3))
