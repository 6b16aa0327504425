"""Ten thousand requests through connections that either side closes at any point of a message."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil
import pytest

from .conftest import Serve
from .cutting import HEAD_END, CuttingEngine, cut, document
from .endpoint import IDENTITY, Endpoint

SEED = int(os.environ.get("CUTS_SEED", "7"))
REQUESTS = 10_000
AT_ONCE = 50
LIMIT_S = 15.0
SETTLE_S = 10.0
CUTS = ("head", "body", "waiting", "answer")
CUT_SHARE = 0.3
_GONE = (ConnectionError, asyncio.IncompleteReadError)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class ClientRequest:
    """One request: what is sent, the expected response, and where the client closes the connection."""

    token: str
    method: str
    target: str
    body: bytes
    kind: str
    chunked: bool
    cut: str
    hard: bool
    pause: float

    @property
    def writes(self) -> bool:
        return "_search" not in self.target

    @property
    def sent(self) -> tuple[bytes, bytes]:
        """The encoded head and body."""
        frame = "Transfer-Encoding: chunked" if self.chunked and self.body else f"Content-Length: {len(self.body)}"
        head = f"{self.method} {self.target} HTTP/1.1\r\nHost: x\r\nContent-Type: {self.kind}\r\n{frame}\r\n\r\n"
        half = len(self.body) // 2
        parts = (self.body[:half], self.body[half:])
        coded = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        return head.encode(), coded if self.chunked and self.body else self.body


@dataclass
class Outcome:
    """The results: counts of how requests ended, and a list of errors."""

    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)


def request_for(at: int, *, calm: bool = False) -> ClientRequest:
    """Derive a request from its number."""
    rng = random.Random(f"{SEED}-{at}")
    token = f"t{at}x"
    what = rng.choice(("search", "search", "search", "put", "post", "bulk", "delete"))
    size = rng.choice((0, 100, 5_000, 100_000))
    query = json.dumps({"query": {"match": {"body": f"{token} river"}}}).encode()
    lines = b'{"index":{"_index":"idx"}}\n' + document(token, size) + b"\n"
    method, target, body, kind = {
        "search": ("POST", f"/idx/_search?preference={token}", query, "application/json"),
        "put": ("PUT", f"/idx/_doc/{token}", document(token, size), "application/json"),
        "post": ("POST", f"/idx/_doc?routing={token}", document(token, size), "application/json"),
        "delete": ("DELETE", f"/idx/_doc/{token}", b"", "application/json"),
        "bulk": ("POST", f"/_bulk?routing={token}", lines, "application/x-ndjson"),
    }[what]
    where = rng.choice(CUTS) if not calm and rng.random() < CUT_SHARE else ""
    pause = rng.choice((0.0, 0.0, 0.002, 0.02))
    return ClientRequest(token, method, target, body, kind, rng.random() < 0.4, where, rng.random() < 0.5, pause)


@pytest.fixture
def engine() -> Iterator[CuttingEngine]:
    with CuttingEngine(SEED) as running:
        yield running


@pytest.fixture
def endpoint(engine: CuttingEngine, serve: Serve) -> Endpoint:
    return serve(engine.url, *IDENTITY, "--window", "5")


async def worker(url: str, numbers: Iterator[int], outcome: Outcome, *, calm: bool = False) -> None:
    """Send requests one after another, on the same connection as long as it is open."""
    streams: Streams | None = None
    for at in numbers:
        one = request_for(at, calm=calm)
        try:
            async with asyncio.timeout(LIMIT_S):
                streams = streams or await opened(url)
                is_open = await ended(streams, one, outcome)
        except TimeoutError:
            outcome.wrong.append(f"{one.token} hangs: {one.method} {one.target} cut={one.cut} chunked={one.chunked}")
            is_open = False
        except ConnectionError:
            outcome.ends["not connected"] += 1
            is_open = False
        if not is_open and streams:
            streams[1].close()
            streams = None
    if streams:
        streams[1].close()


async def opened(url: str) -> Streams:
    address = urlsplit(url)
    return await asyncio.open_connection(address.hostname, address.port)


async def ended(streams: Streams, one: ClientRequest, outcome: Outcome) -> bool:
    """Send one request and count how it ends; return whether the connection stays open."""
    reader, writer = streams
    try:
        if not await sent(writer, one):
            outcome.ends[f"cut in {one.cut}"] += 1
            return False
        if one.cut == "waiting":
            await asyncio.sleep(one.pause)
        elif one.cut == "answer":
            await reader.readexactly(20)
        if one.cut:
            outcome.ends[f"cut in {one.cut}"] += 1
            cut(writer, hard=one.hard)
            return False
        head, body = await answer(reader)
    except _GONE:
        outcome.ends["broken off"] += 1
        return False
    if wrong := check(one, head, body):
        outcome.wrong.append(f"{one.token} ({one.method} {one.target}): {wrong}: {head[:80]!r} {body[:300]!r}")
    status = head[9:12].decode()
    outcome.ends[status] += 1
    if status == "200":
        outcome.answered.add(one.token)
    return b"connection: close" not in head.lower()


async def sent(writer: asyncio.StreamWriter, one: ClientRequest) -> bool:
    """Send a request; return False if the client has closed the connection."""
    head, body = one.sent
    upto = {"head": (len(head) // 2, 0), "body": (len(head), len(body) // 3)}.get(one.cut, (len(head), len(body)))
    writer.write(head[: upto[0]] + body[: upto[1]])
    await writer.drain()
    if one.cut not in {"head", "body"}:
        return True
    await asyncio.sleep(one.pause)
    cut(writer, hard=one.hard)
    return False


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read a complete response. Raises IncompleteReadError."""
    head = await reader.readuntil(HEAD_END)
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    if b"content-length" in fields:
        return head, await reader.readexactly(int(fields[b"content-length"]))
    assert fields[b"transfer-encoding"] == b"chunked", head
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return head, b"".join(parts)


def check(one: ClientRequest, head: bytes, body: bytes) -> str:
    """Return what is wrong with a complete response; "" if nothing is."""
    status = head[9:12]
    if status == b"502":
        error = json.loads(body)
        shaped = error["status"] == 502 and error["error"]["root_cause"][0]["reason"] == error["error"]["reason"]
        return "" if shaped else "an error in another shape"
    if status != b"200":
        return "another status"
    if one.writes:
        return "" if body == document(one.token, 2000) else "the answer of another, or not all of it"
    ids = [hit["_id"] for hit in json.loads(body)["hits"]["hits"]]
    return "" if sorted(ids) == [f"{one.token}-{at}" for at in range(3)] else "the answer of another"


def engine_side(engine: CuttingEngine, answered: set[str]) -> list[str]:
    """Return what is wrong with the requests that the engine received."""
    notes, wrong = engine.notes, []
    for token in notes.begun:
        if not token:
            continue
        one = request_for(int(token[1:-1]))
        most = 1 if one.writes else 2
        if notes.begun[token] > most:
            wrong.append(f"{token} ({one.target}) was requested {notes.begun[token]} times")
        if one.writes and notes.complete[token] > 1:
            wrong.append(f"{token} ({one.target}) was written {notes.complete[token]} times")
        if one.writes and notes.complete[token] and notes.bodies[token] != one.body:
            wrong.append(f"{token} ({one.target}) was accepted as complete with {len(notes.bodies[token])} bytes")
    wrong += [f"{token} was answered without the engine" for token in answered if not notes.complete[token]]
    return wrong


def sockets(endpoint: Endpoint) -> Counter[str]:
    """Count the endpoint's connections to clients and to the engine; one that the peer has closed is a leak."""
    port = urlsplit(endpoint.url).port
    found: Counter[str] = Counter()
    for one in psutil.Process(endpoint.process.pid).net_connections("tcp"):
        if one.status != psutil.CONN_LISTEN:
            found["client" if one.laddr.port == port else "engine"] += 1
    return found


async def leaks(endpoint: Endpoint, engine: CuttingEngine, files: int) -> str:
    """Wait until only idle connections to the engine are open; return what else stays open."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        open_now, descriptors = sockets(endpoint), psutil.Process(endpoint.process.pid).num_fds()
        idle = open_now["engine"]
        good = open_now["client"] == 0 and idle == engine.notes.open <= AT_ONCE and descriptors <= files + idle
        if good:
            return ""
        if time.monotonic() > deadline:
            return (
                f"{dict(open_now)}, the engine sees {engine.notes.open}, {descriptors} files open of {files} at first"
            )
        await asyncio.sleep(0.2)


async def run(url: str, first: int, last: int, *, calm: bool = False) -> Outcome:
    """Send the requests *first* to *last*."""
    outcome, numbers = Outcome(), iter(range(first, last))
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker(url, numbers, outcome, calm=calm))
    return outcome


async def test_closed_connections_never_mix_up_responses_leak_or_write_twice(
    engine: CuttingEngine, endpoint: Endpoint
) -> None:
    warm = await run(endpoint.url, 1_000_000, 1_000_001, calm=True)
    assert not warm.wrong
    files = psutil.Process(endpoint.process.pid).num_fds() - sockets(endpoint).total()
    engine.calm = False
    outcome = await run(endpoint.url, 0, REQUESTS)
    engine.calm = True
    summary = f"seed {SEED}; clients: {dict(outcome.ends)}; engine: {dict(engine.notes.cuts)}"
    wrong = outcome.wrong + engine_side(engine, outcome.answered)
    assert not wrong, "\n".join([summary, f"{len(wrong)} faults", *wrong[:20]])
    assert outcome.ends["200"] > REQUESTS // 4, summary
    assert not (left := await leaks(endpoint, engine, files)), f"{left}; {summary}"
    after = await run(endpoint.url, 2_000_000, 2_000_200, calm=True)
    assert (after.ends, after.wrong) == (Counter({"200": 200}), []), summary
