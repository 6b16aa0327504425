"""HTTP as bytes on a socket: requests that no client library would send, and responses with all details."""

from __future__ import annotations

import json
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

LIMIT_S = 20.0
_MOST = 1 << 16
_HEAD_END = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True)
class Raw:
    """A response, unparsed; it is incomplete unless `complete`, and not HTTP/1 if its status is 0."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    complete: bool
    interim: tuple[int, ...] = ()

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())

    @property
    def json(self) -> Any:
        """Return the decoded body, or None if it is not JSON."""
        try:
            return json.loads(self.body, parse_float=str)
        except (ValueError, RecursionError):
            return None

    @property
    def closes(self) -> bool:
        return "close" in self.header("Connection").lower()


class Peer:
    """One connection; sending to a server that has closed it is no error, since it may have responded before."""

    def __init__(self, url: str, limit_s: float = LIMIT_S) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port), timeout=limit_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._limit_s = limit_s
        self._read = b""
        self.ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        with suppress(ConnectionError):
            self._socket.sendall(data)

    def finish(self) -> None:
        """Close the sending side."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def answer(self, method: str = "GET") -> Raw | None:
        """Read the next final response; None if the connection is closed before one. Raises TimeoutError."""
        interim: list[int] = []
        while head := self._head():
            first, *lines = head.decode("latin-1").splitlines()
            found = re.match(r"HTTP/1\.[01] (\d{3})", first)
            if found is None:
                return Raw(0, (), head + self._all(), complete=True)
            status = int(found[1])
            if status >= 200:
                headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
                bodiless = method == "HEAD" or status in {204, 304}
                body, complete = (b"", True) if bodiless else self._body(headers)
                return Raw(status, headers, body, complete, tuple(interim))
            interim.append(status)
        return None

    def closed(self, limit_s: float = 2.0) -> bool:
        """Wait briefly for the server to close the connection; received bytes are kept for `answer`."""
        self._socket.settimeout(limit_s)
        try:
            return not self._more() and not self._read
        except TimeoutError:
            return False
        finally:
            self._socket.settimeout(self._limit_s)

    def _more(self) -> bool:
        """Receive bytes; return False at the end of the connection."""
        try:
            data = self._socket.recv(_MOST)
        except ConnectionError:
            data = b""
        self._read += data
        self.ended = not data
        return bool(data)

    def _head(self) -> bytes:
        """Read a head; it is incomplete if the connection is closed within it."""
        while not (end := _HEAD_END.search(self._read)):
            if not self._more():
                return self._take(len(self._read))
        return self._take(end.end())

    def _body(self, headers: tuple[tuple[str, str], ...]) -> tuple[bytes, bool]:
        """Read a body, and return whether it is complete."""
        named = {name.lower(): value for name, value in headers}
        if named.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        if "content-length" not in named:
            return self._all(), True
        length = int(named["content-length"])
        body = self._exactly(length)
        return body, len(body) == length

    def _chunks(self) -> tuple[bytes, bool]:
        body = b""
        while line := self.line():
            size = int(line.partition(b";")[0], 16)
            data = self._exactly(size + 2)
            body += data[:size]
            if size == 0 or len(data) < size + 2:
                return body, data == b"\r\n"
        return body, False

    def line(self) -> bytes:
        """Read a line without its end; it is empty at the end of the connection."""
        while b"\r\n" not in self._read:
            if not self._more():
                return b""
        return self._take(self._read.index(b"\r\n") + 2).rstrip()

    def _exactly(self, size: int) -> bytes:
        while len(self._read) < size and self._more():
            pass
        return self._take(min(size, len(self._read)))

    def _all(self) -> bytes:
        while self._more():
            pass
        return self._take(len(self._read))

    def _take(self, size: int) -> bytes:
        taken, self._read = self._read[:size], self._read[size:]
        return taken


def fields(*lines: str | bytes) -> bytes:
    """Write a head of these lines; text is encoded as UTF-8."""
    return b"\r\n".join([line.encode() if isinstance(line, str) else line for line in lines]) + b"\r\n\r\n"


def chunks(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Write a chunked body."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end
