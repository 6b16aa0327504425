"""The requests that `make bench` measures, and the times of each kind of request."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import aiohttp

from es_rerank.load_test.histogram import Histogram
from tests.bench.load import INDEX, WORDS
from tests.bench.peer import PIPELINE, pipeline_search

WINDOW, PAGE, SEARCHES = 50, 10, 10
PEER = "OpenSearch's rerank pipeline"
RERANKED = "es-rerank, qwen3"
REPEATED = "repeated search"
ENGINE_PAGE, ENGINE_WINDOW = f"engine, {PAGE} hits", f"engine, {WINDOW} hits"
NGINX = f"nginx, {WINDOW} hits"
SERVER = "rerank server"
_MANY, _ENGINE_MANY = f"es-rerank, _msearch of {SEARCHES}", f"engine, _msearch of {SEARCHES}"

Send = Callable[[int], Awaitable[aiohttp.ClientResponse]]
"""Sends the request with a number. Requests with different numbers search for different words."""


@dataclass(slots=True)
class Case:
    """One kind of request: a function that sends it, and the measured times.

    `own` are the times that es-rerank itself reports in `Server-Timing`.
    """

    send: Send
    seconds: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Servers:
    """The URLs of the servers: endpoints by name, and nginx and the peer if they take part."""

    engine: str
    reranker: str
    endpoints: Mapping[str, str]
    nginx: str = ""
    peer: str = ""


def text_of(number: int) -> str:
    """Return a query text that no other number has."""
    return f"rain {WORDS[number % len(WORDS)]} nr{number}"


def query(number: int) -> dict[str, Any]:
    """Return a query that no other number has."""
    return {"match": {"body": text_of(number)}}


class Client:
    """Sends searches over connections that stay open."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def search(self, url: str, size: int, *, fixed: bool = False) -> Send:
        """Return a function that searches for something new, or with *fixed* always for the same."""

        async def send(number: int) -> aiohttp.ClientResponse:
            body = json.dumps({"query": query(0 if fixed else number), "size": size}).encode()
            return await self._post(f"{url}/{INDEX}/_search", body, "application/json")

        return send

    def pipeline(self, url: str) -> Send:
        """Return a function that searches with OpenSearch's rerank pipeline."""

        async def send(number: int) -> aiohttp.ClientResponse:
            body = pipeline_search(query(number), text_of(number), PAGE)
            return await self._post(f"{url}/{INDEX}/_search?search_pipeline={PIPELINE}", body, "application/json")

        return send

    def msearch(self, url: str, count: int) -> Send:
        """Return a function that sends *count* searches in one request."""

        async def send(number: int) -> aiohttp.ClientResponse:
            lines = [({"index": INDEX}, {"query": query(number * count + at), "size": PAGE}) for at in range(count)]
            body = "".join(json.dumps(line) + "\n" for pair in lines for line in pair).encode()
            return await self._post(f"{url}/_msearch", body, "application/x-ndjson")

        return send

    def score(self, url: str, texts: Sequence[str]) -> Send:
        """Return a function that calls the rerank server directly, with the texts of a window."""

        async def send(number: int) -> aiohttp.ClientResponse:
            body = json.dumps({"model": "stub", "text_1": f"rain nr{number}", "text_2": list(texts)}).encode()
            return await self._post(f"{url}/score", body, "application/json")

        return send

    async def _post(self, url: str, body: bytes, type_: str) -> aiohttp.ClientResponse:
        async with self._session.post(url, data=body, headers={"Content-Type": type_}) as answer:
            await answer.read()
            assert answer.status == 200, await answer.text()
            return answer


def case_table(client: Client, servers: Servers) -> dict[str, Case]:
    """Return all cases, by name."""
    text = ((" ".join(WORDS) + " ") * 20)[:2000]
    sends = {
        ENGINE_PAGE: client.search(servers.engine, PAGE),
        ENGINE_WINDOW: client.search(servers.engine, WINDOW),
        SERVER: client.score(servers.reranker, [text] * WINDOW),
        _ENGINE_MANY: client.msearch(servers.engine, SEARCHES),
    }
    if servers.nginx:
        sends[NGINX] = client.search(servers.nginx, WINDOW)
    if servers.peer:
        sends[PEER] = client.pipeline(servers.peer)
    for name, url in servers.endpoints.items():
        if name == "cached":
            sends[REPEATED] = client.search(url, PAGE, fixed=True)
        elif name == "_msearch":
            sends[_MANY] = client.msearch(url, SEARCHES)
        else:
            sends[f"es-rerank, {name}"] = client.search(url, PAGE)
    return {name: Case(send) for name, send in sends.items()}


def own_time(answer: aiohttp.ClientResponse) -> Iterator[float]:
    """Yield the seconds that es-rerank reports as its own; fail if it did not rerank."""
    if outcome := answer.headers.get("X-Rerank"):
        assert outcome.startswith("reranked"), outcome
        yield float(answer.headers["Server-Timing"].rpartition("dur=")[2]) / 1e3


def summary(case: Case) -> dict[str, float]:
    """Return the mean, the percentiles and the maximum of one case in milliseconds."""
    times = Histogram()
    for seconds in case.seconds:
        times.record(seconds)
    found = times.summary() | ({"own_p50": median(case.own)} if case.own else {})
    return {name: round(seconds * 1e3, 2) for name, seconds in found.items()}


def comparisons(cases: Mapping[str, Case]) -> dict[str, float]:
    """Return the figures that the targets of docs/performance.md are about, from the medians of paired searches."""

    def over(name: str, *others: str) -> float:
        """Return the median of what a case takes more than others in the same round, in milliseconds."""
        rows = zip(cases[name].seconds, *(cases[other].seconds for other in others), strict=True)
        return 1e3 * float(median(first - sum(rest) for first, *rest in rows))

    def ratio(name: str, other: str) -> float:
        rows = zip(cases[name].seconds, cases[other].seconds, strict=True)
        return float(median(first / second for first, second in rows))

    found = {
        f"{name}: ms over engine ({WINDOW} hits) and rerank server": over(name, ENGINE_WINDOW, SERVER)
        for name in cases
        if name.startswith("es-rerank, ") and name != _MANY
    }
    pairs = [
        (REPEATED, ENGINE_PAGE),
        (REPEATED, ENGINE_WINDOW),
        (_MANY, RERANKED),
        (_ENGINE_MANY, ENGINE_PAGE),
        (RERANKED, PEER),
        (NGINX, ENGINE_WINDOW),
    ]
    found |= {f"{name} / {other}": ratio(name, other) for name, other in pairs if {name, other} <= cases.keys()}
    return {name: round(value, 2) for name, value in found.items()}
