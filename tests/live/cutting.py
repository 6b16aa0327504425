"""An engine that closes connections at points chosen by a seed, and records the requests that it receives."""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

CUTS = ("head", "body", "read", "status", "headers", "answer", "chunk", "idle")
CUT_SHARE = 0.35
ACCEPT_SHARE = 0.02
HEAD_END = b"\r\n\r\n"
_GONE = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
_TOKEN = re.compile(rb"\bt\d+x\b")


def cut(writer: asyncio.StreamWriter, *, hard: bool) -> None:
    """Close a connection after what has been written so far: with FIN, or with RST if *hard*."""
    if hard and not writer.is_closing():
        taken = writer.get_extra_info("socket")
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()


def document(token: str, size: int = 0) -> bytes:
    """Return the document of a token."""
    return json.dumps({"token": token, "pad": "x" * size, "end": token}).encode()


def hits(token: str) -> bytes:
    """Return the response to a search for a token."""
    rows = [
        {"_index": "idx", "_id": f"{token}-{at}", "_score": 3.0 - at, "_source": {"body": f"{token} river"}}
        for at in range(3)
    ]
    total = {"value": len(rows), "relation": "eq"}
    shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
    return json.dumps(
        {"took": 1, "timed_out": False, "_shards": shards, "hits": {"total": total, "max_score": 3.0, "hits": rows}}
    ).encode()


def _caps() -> bytes:
    text = {"type": "text", "metadata_field": False, "searchable": True, "aggregatable": False}
    return json.dumps({"indices": ["idx"], "fields": {"body": {"text": text}}}).encode()


@dataclass
class Notes:
    """Requests that an engine received, by token: started ones, and those with a complete body."""

    begun: Counter[str] = field(default_factory=Counter)
    complete: Counter[str] = field(default_factory=Counter)
    bodies: dict[str, bytes] = field(default_factory=dict)
    cuts: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    open: int = 0


class CuttingEngine:
    """An engine in its own thread. While `calm`, it does not close connections early."""

    def __init__(self, seed: int) -> None:
        self.notes = Notes()
        self.calm = True
        self.url = ""
        self._seed = seed
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    def __enter__(self) -> CuttingEngine:  # noqa: PYI034 - it is final
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(20)
        self._loop.close()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1000)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._ended.wait()
        server.close()
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it is closed by either side."""
        self.notes.open += 1
        self.notes.accepted += 1
        rng = random.Random(f"{self._seed}-{self.notes.accepted}")
        try:
            if not self.calm and rng.random() < ACCEPT_SHARE:
                self.notes.cuts["accept"] += 1
                cut(writer, hard=rng.random() < 0.5)
                return
            while await self._request(reader, writer, rng):
                pass
        except _GONE:
            pass
        finally:
            self.notes.open -= 1
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rng: random.Random) -> bool:
        """Answer one request or close the connection; return whether the connection stays open."""
        head = await reader.readuntil(HEAD_END)
        point = rng.choice(CUTS) if not self.calm and rng.random() < CUT_SHARE else ""
        self.notes.cuts[point] += 1
        hard = rng.random() < 0.5
        named = _TOKEN.search(head.partition(b"\r\n")[0])
        token = named[0].decode() if named else ""
        self.notes.begun[token] += 1
        if point == "head":
            cut(writer, hard=hard)
            return False
        body = await _body(reader, head, half=point == "body")
        if body is None:
            cut(writer, hard=hard)
            return False
        self.notes.complete[token] += 1
        self.notes.bodies[token] = body
        if point == "read":
            cut(writer, hard=hard)
            return False
        await asyncio.sleep(rng.choice((0, 0, 0.001, 0.01)))
        return await _answer(writer, _response(head, body, token), _Cut(point, hard, rng))


@dataclass(frozen=True)
class _Cut:
    """Where in a response the connection is closed, and how."""

    point: str
    hard: bool
    rng: random.Random


async def _body(reader: asyncio.StreamReader, head: bytes, *, half: bool) -> bytes | None:
    """Read a body; None after the first half if *half*."""
    if found := re.search(rb"(?i)content-length: *(\d+)", head):
        size = int(found[1])
        read = await reader.readexactly(size // 2 if half else size)
        return None if half else read
    if b"chunked" not in head.lower():
        return None if half else b""
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
        if half:
            return None
    await reader.readuntil(b"\r\n")
    return None if half else b"".join(parts)


def _response(head: bytes, body: bytes, named: str) -> bytes:
    """Return the response, with the token of the request's body if it has one, so that a mix-up is noticed."""
    if b"_field_caps" in head.partition(b"\r\n")[0]:
        return _caps()
    found = _TOKEN.search(body)
    token = found[0].decode() if found else named
    return hits(token) if b"_search" in head.partition(b"\r\n")[0] else document(token, 2000)


async def _answer(writer: asyncio.StreamWriter, response: bytes, place: _Cut) -> bool:
    """Write a response up to its cut; return whether the connection stays open."""
    rng = place.rng
    parts = [response[: len(response) // 3], response[len(response) // 3 :]]
    kind = b"Content-Type: application/json\r\n"
    if rng.random() < 0.5 or place.point == "chunk":
        frame = kind + b"Transfer-Encoding: chunked\r\n\r\n"
        pieces = [b"%x\r\n%s\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]
    else:
        frame = kind + b"Content-Length: %d\r\n\r\n" % len(response)
        pieces = parts
    ends: dict[str, Callable[[], list[bytes]]] = {
        "status": lambda: [b"HTTP/1.1 2"],
        "headers": lambda: [b"HTTP/1.1 200 OK\r\n", frame[: len(frame) // 2]],
        "answer": lambda: [b"HTTP/1.1 200 OK\r\n", frame, pieces[0][:-3]],
        "chunk": lambda: [b"HTTP/1.1 200 OK\r\n", frame, *pieces[:-1]],
    }
    written = ends.get(place.point, lambda: [b"HTTP/1.1 200 OK\r\n" + frame, *pieces])()
    for piece in written:
        writer.write(piece)
        await writer.drain()
        if rng.random() < 0.1:
            await asyncio.sleep(0.001)
    if place.point == "idle":
        await asyncio.sleep(rng.choice((0, 0.001, 0.01, 0.03)))
    if place.point:
        cut(writer, hard=place.hard)
    return not place.point
