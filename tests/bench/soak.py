"""Soak test with mixed traffic for half an hour: `python -m tests.bench.soak --minutes 30`.

All of this runs at the same time, in front of a real OpenSearch: new and repeated searches, on several endpoints and
pages; bulk writes; streamed reads; clients that disconnect; unreadable bodies; a rerank server that goes from one fault
to the next and recovers in between; rule reloads; reads of the admin pages. Resident memory and open descriptors of the
endpoint are sampled. The median of the second fifth of the time, when caches are full, is compared with that of the
last fifth.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from urllib.parse import urlsplit

import aiohttp
import psutil

from es_rerank_lab.parts.engines import start_engine
from tests.bench.load import INDEX, WORDS, document
from tests.live.endpoint import Endpoint, start_endpoint
from tests.live.faulty import FAULTS, Faulty
from tests.live.wire import NDJSON, fill

JSON = {"Content-Type": "application/json"}
KNOWN_QUERIES = 50
MAX_GROWTH = 0.05
BODIES = (b"{", b"[]", b'{"query":{"match":{"body":{}}}}', b'{"query":' * 50, b"\xff\xfe", b'{"query":{"nope":{}}}')


@dataclass
class Soak:
    """State that the traffic shares: the endpoint, a session, a seeded random generator, and the results so far."""

    endpoint: Endpoint
    session: aiohttp.ClientSession
    rules: Path
    until: float
    random: Random = field(default_factory=lambda: Random(1))
    counts: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[int, int]] = field(default_factory=list)

    async def send(
        self, kind: str, method: str, target: str, body: bytes = b"", headers: dict[str, str] = JSON
    ) -> None:
        """Send a request, and count its status and outcome."""
        async with self.session.request(method, self.endpoint.url + target, data=body, headers=headers) as answer:
            await answer.read()
            outcome = answer.headers.get("X-Rerank", "").partition(";")[0].partition(",")[0]
            self.counts[f"{kind}: {answer.status} {outcome}".rstrip()] += 1

    def body(self, number: int, **more: object) -> bytes:
        """Return a search with different words for each number."""
        word = WORDS[number % len(WORDS)]
        return json.dumps({"query": {"match": {"body": f"rain {word} nr{number}"}}, "size": 10, **more}).encode()


async def new(soak: Soak) -> None:
    await soak.send("new search", "POST", f"/{INDEX}/_search", soak.body(soak.random.randrange(10**9)))


async def repeated(soak: Soak) -> None:
    await soak.send("repeated search", "POST", f"/{INDEX}/_search", soak.body(soak.random.randrange(KNOWN_QUERIES)))


async def page(soak: Soak) -> None:
    body = soak.body(soak.random.randrange(KNOWN_QUERIES), **{"from": soak.random.randrange(60)})
    await soak.send("page", "POST", f"/{INDEX}/_search", body)


async def many(soak: Soak) -> None:
    searches = [soak.body(soak.random.randrange(10**9)) for _ in range(4)]
    lines = b"".join(b'{"index":"%b"}\n%b\n' % (INDEX.encode(), search) for search in searches)
    await soak.send("_msearch", "POST", "/_msearch", lines, NDJSON)


async def template(soak: Soak) -> None:
    source = {"query": {"match": {"body": "{{text}}"}}}
    body = {"source": source, "params": {"text": f"wind nr{soak.random.randrange(10**9)}"}}
    await soak.send("template", "POST", f"/{INDEX}/_search/template", json.dumps(body).encode())


async def write(soak: Soak) -> None:
    places = [soak.random.randrange(400) for _ in range(100)]
    lines = [line for at in places for line in ({"index": {"_index": INDEX, "_id": f"d{at}"}}, document(at))]
    await soak.send("_bulk", "POST", "/_bulk", "".join(json.dumps(line) + "\n" for line in lines).encode(), NDJSON)


async def stream(soak: Soak) -> None:
    await soak.send("streamed read", "POST", f"/{INDEX}/_search?size=400", b"", {"X-Rerank-Mode": "off", **JSON})


async def malformed(soak: Soak) -> None:
    await soak.send("malformed", "POST", f"/{INDEX}/_search", soak.random.choice(BODIES))


async def disconnect(soak: Soak) -> None:
    """Start a search, and disconnect at a random moment."""
    host, port = urlsplit(soak.endpoint.url).netloc.split(":")
    body = soak.body(soak.random.randrange(10**9))
    whole = f"POST /{INDEX}/_search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
    whole += b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    _, writer = await asyncio.open_connection(host, int(port))
    with suppress(ConnectionError):
        writer.write(whole[: soak.random.randrange(1, 2 * len(whole))])
        await writer.drain()
        await asyncio.sleep(soak.random.random() * 0.1)
    writer.transport.abort()
    soak.counts["disconnected"] += 1


async def reload(soak: Soak) -> None:
    (soak.rules / "rule.yaml").write_text(f"index: {INDEX}\nwindow: {soak.random.randrange(10, 30)}\n")
    os.kill(soak.endpoint.process.pid, signal.SIGHUP)
    soak.counts["reload"] += 1


async def admin_pages(soak: Soak) -> None:
    for target in ("/_rerank/metrics", "/_rerank/health/ready"):
        async with soak.session.get(soak.endpoint.admin_listen + target) as answer:
            await answer.read()
            soak.counts[f"admin page: {answer.status}"] += 1


async def sample(soak: Soak) -> None:
    process = psutil.Process(soak.endpoint.process.pid)
    soak.samples.append((process.memory_info().rss, process.num_fds()))


# Kinds of traffic, with the mean pause after each in seconds.
TRAFFIC: tuple[tuple[Callable[[Soak], Awaitable[None]], float], ...] = (
    (new, 0.05),
    (repeated, 0.05),
    (page, 0.1),
    (many, 0.3),
    (template, 0.2),
    (write, 1.0),
    (stream, 0.3),
    (malformed, 0.3),
    (disconnect, 0.1),
    (reload, 20.0),
    (admin_pages, 5.0),
    (sample, 5.0),
)


async def repeat(soak: Soak, step: Callable[[Soak], Awaitable[None]], pause: float) -> None:
    """Send one kind of traffic until the end."""
    while time.monotonic() < soak.until:
        await step(soak)
        await asyncio.sleep(pause * soak.random.uniform(0.5, 1.5))


async def misbehave(soak: Soak, server: Faulty) -> None:
    """Inject one fault after another into the rerank server, with a recovery after each."""
    while time.monotonic() < soak.until:
        server.well()
        await asyncio.sleep(8)
        FAULTS[soak.random.choice(list(FAULTS))].begin(server)
        await asyncio.sleep(3)


async def soaked(endpoint: Endpoint, rules: Path, server: Faulty, seconds: float) -> Soak:
    """Run all traffic at the same time."""
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        soak = Soak(endpoint, session, rules, time.monotonic() + seconds)
        await asyncio.gather(misbehave(soak, server), *(repeat(soak, *row) for row in TRAFFIC))
    await asyncio.sleep(2)
    await sample(soak)
    return soak


def report(soak: Soak, minutes: float) -> str:
    """Format the results."""
    fifth = len(soak.samples) // 5
    early, late = soak.samples[fifth : 2 * fifth], soak.samples[-fifth:]
    before, after = (median(rss for rss, _ in part) / 2**20 for part in (early, late))
    growth = after / before - 1
    lines = [f"{sum(soak.counts.values())} requests in {minutes:g} minutes:"]
    lines += [f"  {count:8} {kind}" for kind, count in sorted(soak.counts.items())]
    verdict = "flat" if growth <= MAX_GROWTH else "GROWN"
    lines.append(
        f"resident memory: {before:.1f} MiB in the second fifth, {after:.1f} in the last: {growth:+.1%}, {verdict}"
    )
    fds = [count for _, count in soak.samples]
    lines.append(f"open descriptors: {min(fds)} to {max(fds)} during the run, {fds[-1]} two seconds after the end")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__.partition(":")[0])
    parser.add_argument("--minutes", type=float, default=30)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as name, start_engine("opensearch") as engine, Faulty() as server:
        folder = Path(name)
        rules = folder / "rules"
        rules.mkdir()
        (rules / "rule.yaml").write_text(f"index: {INDEX}\n")
        documents = {f"d{at}": document(at) for at in range(400)}
        fill(engine.url, INDEX, {"properties": {"body": {"type": "text"}}}, documents)
        flags = ("--reranker", server.url, "--profile", "bge-reranker", "--tokenizer", "estimate", "--no-self-test")
        own = ("--window", "20", "--deadline", "1s", "--score-cache-size", "20000", "--mappings", str(rules))
        endpoint = start_endpoint(engine.url, folder / "endpoint.log", *flags, *own, "--log-level", "warning")
        try:
            soak = asyncio.run(soaked(endpoint, rules, server, minutes * 60))
        finally:
            endpoint.process.stop()
    sys.stdout.write(report(soak, minutes))


if __name__ == "__main__":
    main()
