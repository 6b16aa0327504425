"""Measures how long a second client waits while another sends hostile requests: `python -m tests.bench.hostile`.

The second client sends one small request after the other, which es-rerank passes through. Its longest wait during each
attack is compared with its longest wait while nothing else happens. It includes waits for other programs of the
machine, so the processor time for which the event loop was held is shown beside it. The resident memory of es-rerank is
measured before, during (the peak) and after each attack.
"""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

from tests.bench.serving import started

MIB = 2**20
PATTERN = "*a" * 4000
NESTED = "(" * 600 + "a" + ")" * 600
HOSE: dict[str, Any] = {"match": {"body": "hose"}}


def post(target: str, body: bytes, kind: str = "application/json") -> bytes:
    """Return a request as it is sent."""
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def search(query: Any, parameters: str = "", **members: Any) -> bytes:
    """Return a search request."""
    return post(f"/docs/_search{parameters}", json.dumps({"query": query, **members}).encode())


def msearch(*bodies: Any) -> bytes:
    """Return a request with many searches."""
    lines = b"".join(b'{"index":"docs"}\n' + json.dumps(body).encode() + b"\n" for body in bodies)
    return post("/_msearch", lines, "application/x-ndjson")


def inner_hits(depth: int, size: int) -> Any:
    query: Any = HOSE
    for _ in range(depth):
        query = {"nested": {"path": "a", "inner_hits": {}, "query": query}}
    return {"bool": {"must": [query], "filter": [{"terms": {"code": ["x" * 100] * (size // 104)}}]}}


def wrapped(query: Any) -> Any:
    return {"wrapper": {"query": base64.b64encode(json.dumps(query).encode()).decode()}}


SYNTAX = "a:b " * 100
# Name -> the requests of one attack, each on a connection of its own.
ATTACKS: Mapping[str, Callable[[], list[bytes]]] = {
    "120 field patterns of 4,000 wildcards": lambda: [
        search(HOSE, fields=[f"{number}{PATTERN}" for number in range(120)], _source=False)
    ],
    "120 query fields of 4,000 wildcards": lambda: [
        search({"query_string": {"query": "a", "fields": [f"{number}{PATTERN}" for number in range(120)]}})
    ],
    "_msearch of 8 nested query strings": lambda: [
        msearch(*({"query": {"query_string": {"query": f"{NESTED} {number}"}}} for number in range(8)))
    ],
    "_msearch of 100 query strings": lambda: [
        msearch(*({"query": {"query_string": {"query": f"{SYNTAX} {number}"}}} for number in range(100)))
    ],
    "1,000 query strings in one search": lambda: [
        search({"bool": {"should": [{"query_string": {"query": f"a:b{number} AND c"}} for number in range(1000)]}})
    ],
    "490 paths in filter_path, 1,000 hits": lambda: [
        search(HOSE, "?size=1000&filter_path=" + ",".join(f"**.x{number}" for number in range(490)))
    ],
    "filter_path of one path, 1,000 hits": lambda: [search(HOSE, "?size=1000&filter_path=**._id")],
    "inner_hits 60 deep in 4 MB": lambda: [search(inner_hits(60, 4 * MIB))],
    "inner_hits 60 deep in 60 KB": lambda: [search(inner_hits(60, 50_000))],
    "200 searches with 60 KB of parameters": lambda: [
        search(HOSE, f"?x={number}" + "%41" * 20_000) for number in range(200)
    ],
    "a query of 9 MB of clauses": lambda: [search({"bool": {"should": [HOSE] * 240_000}})],
    "9,000 clauses": lambda: [search({"bool": {"should": [{"match_all": {}}] * 4_500}})],
    "a query of 9 MB of terms": lambda: [
        search({"bool": {"must": [HOSE], "filter": {"terms": {"a": [1] * 3_000_000}}}})
    ],
    "a vector of 290,000 numbers": lambda: [search(HOSE, knn={"field": "v", "query_vector": [0.125] * 290_000})],
    "9 MB of brackets": lambda: [post("/docs/_search", b'{"query":' + b"[]," * 3_000_000 + b"}")],
    "9 MB of text": lambda: [search({"match": {"body": "a" * 9_000_000}})],
    "a native reranker in 9 MB": lambda: [
        search(HOSE, ext={"rerank": {"query_context": {"query_text": "a"}}}, x="a" * 9_000_000)
    ],
    "wrapped query of 9 MB": lambda: [search(wrapped({"bool": {"should": [HOSE] * 180_000}}))],
    "a query text of many words": lambda: [search({"match": {"body": "é " * 20_000}})],
    "a hundred texts of many words": lambda: [
        search({"bool": {"should": [{"match": {f"f{number}": f"é{number} " * 5000}} for number in range(100)]}})
    ],
    "1,000 hits": lambda: [search(HOSE, "?size=1000")],
    "_msearch of 100 with 100 hits": lambda: [msearch(*({"query": HOSE, "size": 100} for _ in range(100)))],
    "_rank_eval of 1,000": lambda: [rank_eval(1000)],
    "three unfinished heads of 2,000 x 60 KB": lambda: (
        [b"GET / HTTP/1.1\r\n" + b"".join(b"a%d: %b\r\n" % (number, b"x" * 60_000) for number in range(2000))] * 3
    ),
    "twenty unfinished bodies of 9.9 MB": lambda: [post("/docs/_search", b"x" * 9_900_000)[:-1]] * 20,
}


def rank_eval(count: int) -> bytes:
    one = {"id": "a", "request": {"query": HOSE}, "ratings": []}
    body = {"requests": [{**one, "id": str(number)} for number in range(count)], "metric": {"precision": {"k": 50}}}
    return post("/docs/_rank_eval", json.dumps(body).encode())


class SecondClient(threading.Thread):
    """Sends small requests until it is stopped. `waits`: how long each took, in seconds."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._stopped = threading.Event()
        self.waits: list[float] = []

    def run(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as sock:
            while not self._stopped.is_set():
                began = time.perf_counter()
                sock.sendall(b"GET /_cat/indices HTTP/1.1\r\nHost: x\r\n\r\n")
                received = b""
                while not received.endswith(b"}"):
                    received += sock.recv(65536)
                self.waits.append(time.perf_counter() - began)
                time.sleep(0.001)

    def stop(self) -> float:
        """Stop, and return the longest wait in seconds."""
        self._stopped.set()
        self.join()
        return max(self.waits)


def attack(port: int, requests: list[bytes], seconds: float) -> list[str]:
    """Send all requests at once; return the outcome of each, without waiting longer than *seconds* for it."""
    outcomes: list[str] = []
    senders = [threading.Thread(target=_send, args=(port, request, seconds, outcomes)) for request in requests]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return outcomes


def _send(port: int, request: bytes, seconds: float, outcomes: list[str]) -> None:
    received = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as sock:
            sock.sendall(request)
            while b"\r\n\r\n" not in received and (more := sock.recv(65536)):
                received += more
            while sock.recv(MIB):
                sock.settimeout(0.2)
    except OSError as error:
        outcomes.append(type(error).__name__) if not received else None
    lines = received.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    shown = [line.removeprefix("X-Rerank: ") for line in lines if line.startswith("X-Rerank:")] or lines[:1]
    outcomes.append(shown[0][:60])


@contextmanager
def endpoint(engine: str) -> Iterator[tuple[int, int, int]]:
    """Run es-rerank; yield its port, the port of the watch on its event loop, and the id of its process."""
    command = [sys.executable, "-m", "tests.bench.hostile_endpoint", engine]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            port, watch = map(int, process.stdout.readline().split())
            yield port, watch, process.pid
        finally:
            process.kill()


def held(watch: int) -> float:
    """Return how long the event loop was held at most since the last call, in seconds of processor time."""
    with urlopen(f"http://127.0.0.1:{watch}/") as answer:
        return float(answer.read())


def measured(port: int, watch: int, pid: int, act: Callable[[], list[str]]) -> str:
    """Return the longest wait, the longest hold of the event loop, the resident memory before, peak and after."""
    process = psutil.Process(pid)
    before = process.memory_info().rss
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    client = SecondClient(port)
    client.start()
    time.sleep(0.1)
    held(watch)
    outcomes = act()
    time.sleep(0.1)
    wait = client.stop()
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    sizes = "/".join(f"{size / MIB:.0f}" for size in (before, peak, process.memory_info().rss))
    return f"{wait * 1e3:7.0f} ms {held(watch) * 1e3:7.0f} ms {sizes:>12} MiB  {outcomes[0] if outcomes else ''}"


def idle() -> list[str]:
    time.sleep(2)
    return []


def main() -> None:
    """Print one line per attack; arguments are parts of the names of those to run."""
    chosen = [name for name in ATTACKS if not sys.argv[1:] or any(part in name for part in sys.argv[1:])]
    with started("tests.bench.hostile_engine") as engine, endpoint(engine) as running:
        attack(running[0], [search(HOSE)], 10)
        sys.stdout.write(f"{'':42}{'wait':>10} {'held':>10} {'memory':>16}\n")
        sys.stdout.write(f"{'idle for 2 s':42}{measured(*running, idle)}\n")
        for name in chosen:
            requests = ATTACKS[name]()
            line = measured(*running, partial(attack, running[0], requests, 5.0))
            sys.stdout.write(f"{name:42}{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
