"""Client and engine of the streaming benchmark on raw sockets: the client takes times, the engine sends and discards.

Both transfer blocks of a megabyte with little Python code in between, so that the proxy decides how long it takes.
`python -m tests.bench.wire` runs the engine, which prints its port.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

LINES = b'{"index":{"_index":"bench"}}\n{"title":"a line of a bulk request","body":"' + b"word " * 180 + b'"}\n'
BLOCK = LINES * (1024 * 1024 // len(LINES))
CHUNK_BYTES = 64 * 1024
TIMEOUT_SECONDS = 120.0


def _framed(data: bytes) -> bytes:
    """Frame bytes as HTTP chunks."""
    parts = (data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES))
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


FRAMED = _framed(BLOCK)


class BrokenError(RuntimeError):
    """A transfer was incomplete."""


class Incoming:
    """The receiving side of a connection: a head, then a body that is counted and discarded."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._block = bytearray(512 * 1024)
        self._view = memoryview(self._block)
        self._at = self._end = 0

    def head(self) -> tuple[str, dict[str, str]]:
        """Read the first line and the headers; the line is empty if the peer has closed the connection."""
        read = b""
        while b"\r\n\r\n" not in read:
            if not self._fill():
                return "", {}
            read += self._view[self._at : self._end]
        head, _, rest = read.partition(b"\r\n\r\n")
        self._at = self._end - len(rest)
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return first, {name.lower(): value.strip() for name, _, value in pairs}

    def body(self, headers: dict[str, str]) -> int:
        """Discard the body and return its length."""
        if headers.get("transfer-encoding") != "chunked":
            length = int(headers.get("content-length", 0))
            self._skip(length)
            return length
        total = 0
        while size := int(self._line().split(b";")[0], 16):
            self._skip(size + 2)
            total += size
        self._skip(2)
        return total

    def _fill(self) -> bool:
        """Receive available bytes into the buffer."""
        self._at, self._end = 0, self._sock.recv_into(self._block)
        return self._end > 0

    def _skip(self, count: int) -> None:
        """Discard *count* bytes."""
        while count > (here := self._end - self._at):
            count -= here
            if not self._fill():
                raise BrokenError(f"the connection ended {count} bytes too early")
        self._at += count

    def _line(self) -> bytes:
        """Read a short line."""
        line = b""
        while True:
            found = self._block.find(b"\n", self._at, self._end)
            if found >= 0:
                line += self._view[self._at : found + 1]
                self._at = found + 1
                return line
            line += self._view[self._at : self._end]
            if not self._fill():
                raise BrokenError("the connection ended within a chunk")


def upload(port: int, size: int, *, chunked: bool) -> float:
    """Send a `_bulk` of *size* bytes; return the seconds until its response."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    head = f"POST /_bulk HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-ndjson\r\n{length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as sock:
        started_at = time.perf_counter()
        sock.sendall(head.encode())
        for part in _parts(size, chunked=chunked):
            sock.sendall(part)
        incoming = Incoming(sock)
        status, headers = incoming.head()
        seconds = time.perf_counter() - started_at
    if " 200 " not in status or headers.get("x-bytes") != str(size):
        raise BrokenError(f"{size} bytes sent, {headers.get('x-bytes')} arrived, the response was {status!r}")
    return seconds


def download(port: int, size: int, *, chunked: bool) -> float:
    """Fetch a response of *size* bytes; return the seconds until its last byte."""
    head = f"GET /answer?size={size}&chunked={int(chunked)} HTTP/1.1\r\nHost: bench\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as sock:
        started_at = time.perf_counter()
        sock.sendall(head.encode())
        incoming = Incoming(sock)
        status, headers = incoming.head()
        arrived = incoming.body(headers)
        seconds = time.perf_counter() - started_at
    if " 200 " not in status or arrived != size:
        raise BrokenError(f"{arrived} of {size} bytes arrived, the response was {status!r}")
    return seconds


def _parts(size: int, *, chunked: bool) -> Iterator[memoryview | bytes]:
    """Yield the blocks of a body, framed as chunks if *chunked*."""
    block = memoryview(FRAMED if chunked else BLOCK)
    for _ in range(size // len(BLOCK)):
        yield block
    rest = BLOCK[: size % len(BLOCK)]
    yield _framed(rest) + b"0\r\n\r\n" if chunked else rest


def serve() -> None:
    """Run the engine: a thread per connection, until the process is killed."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        sys.stdout.write(f"{server.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            sock, _ = server.accept()
            threading.Thread(target=_connection, args=(sock,), daemon=True).start()


def _connection(sock: socket.socket) -> None:
    """Answer the requests of one connection: report the length of each body, and send as many bytes as the URL says."""
    incoming = Incoming(sock)
    with sock, suppress(ConnectionError):
        while True:
            first, headers = incoming.head()
            if not first:
                return
            arrived = incoming.body(headers)
            query = parse_qs(urlsplit(first.split(" ")[1]).query)
            size, chunked = int(query.get("size", ["2"])[0]), query.get("chunked") == ["1"]
            length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Bytes: {arrived}\r\n{length}\r\n\r\n"
            sock.sendall(head.encode())
            for part in _parts(size, chunked=chunked):
                sock.sendall(part)


if __name__ == "__main__":
    serve()
