"""Servers on loopback, fed by data: an engine and a rerank server that say what a test wrote down for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from structlog.testing import capture_logs
from yarl import URL

from es_rerank.config.settings import Settings
from es_rerank.server.app import runner
from es_rerank.server.listen.site import listen
from es_rerank.server.listen.sockets import Sockets, bind

CAPS = {"indices": ["docs"], "fields": {"title": {"text": {}}, "body": {"text": {}}, "tag": {"keyword": {}}}}


@dataclass
class Seen:
    """A request as it came to a fake."""

    method: str
    target: str
    headers: CIMultiDict[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Said:
    """What a fake answers: head and body, whole or in chunks with a `pause` after each; `seconds` later, or cut off."""

    body: bytes | Sequence[bytes] = b""
    status: int = 200
    headers: Sequence[tuple[str, str]] = (("Content-Type", "application/json"),)
    seconds: float = 0.0
    pause: float = 0.0
    cut_off: bool = False


@dataclass
class Fake:
    """A server: the first row of `says` whose prefix the path has answers; each request is noted in `seen`."""

    says: dict[str, Said | Callable[[Seen], Said]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = b"".join([chunk async for chunk in request.content.iter_any()])
        seen = Seen(request.method, request.raw_path, CIMultiDict(request.headers), body)
        self.seen.append(seen)
        row = next(row for prefix, row in self.says.items() if seen.target.startswith(prefix))
        said = row(seen) if callable(row) else row
        await asyncio.sleep(said.seconds)
        return await _write(request, said)

    async def reached(self, requests: int) -> None:
        """Wait until so many requests have come."""
        await until(lambda: len(self.seen) >= requests)

    def targets(self, *, without: str = "_field_caps") -> list[str]:
        return [seen.target for seen in self.seen if without not in seen.target]


async def until(holds: Callable[[], object], limit_s: float = 10.0) -> None:
    """Wait until it holds. Raises TimeoutError."""
    async with asyncio.timeout(limit_s):
        while not holds():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.002)


async def _write(request: web.BaseRequest, said: Said) -> web.StreamResponse:
    headers = CIMultiDict(said.headers)
    if isinstance(said.body, bytes) and not said.cut_off:
        headers.setdefault("Content-Length", str(len(said.body)))
    response = web.StreamResponse(status=said.status, headers=headers)
    await response.prepare(request)
    for chunk in [said.body] if isinstance(said.body, bytes) else said.body:
        if request.method != "HEAD":
            await response.write(chunk)
            await asyncio.sleep(said.pause)
    if said.cut_off:
        assert request.transport
        request.transport.abort()
    else:
        await response.write_eof()
    return response


@asynccontextmanager
async def serving(fake: Fake) -> AsyncIterator[Fake]:
    """Run a fake on a free port."""
    running = web.ServerRunner(web.Server(fake.handle, auto_decompress=False), shutdown_timeout=0.1)
    await running.setup()
    await web.TCPSite(running, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{running.addresses[0][1]}"
    try:
        yield fake
    finally:
        await running.cleanup()


def settings(engine: Fake | None = None, reranker: Fake | Sequence[Fake] | None = None, **more: Any) -> Settings:
    """Make settings for fakes: no tokenizer, no self-test, a model whose scores are logits."""
    values: dict[str, Any] = {"profile": "bge-reranker", "tokenizer": "estimate", "self_test": False, **more}
    # Port 9 (discard) answers nowhere.
    for name, fakes in {"upstream": engine, "reranker": reranker}.items():
        urls = [one.url for one in ([fakes] if isinstance(fakes, Fake) else fakes or ())]
        values.setdefault(name, urls or "http://127.0.0.1:9")
    return Settings.model_validate(values)


def scores(by_text: Mapping[str, float] | None = None, default: float = 0.0) -> Callable[[Seen], Said]:
    """Answer `/score` with the logit of the first key that a text holds."""

    def answer(seen: Seen) -> Said:
        texts = seen.json["text_2"]
        found = [next((v for k, v in (by_text or {}).items() if k in text), default) for text in texts]
        rows = [{"index": at, "score": score} for at, score in enumerate(found)]
        return Said(json.dumps({"data": rows}).encode())

    return answer


def answer(*hits: tuple[str, float, str], **more: Any) -> bytes:
    """Write a search answer with hits of `(id, score, body)`."""
    rows = [{"_index": "docs", "_id": one, "_score": score, "_source": {"body": text}} for one, score, text in hits]
    most = max((score for _, score, _ in hits), default=None)
    total = {"value": len(rows), "relation": "eq"}
    return json.dumps({"took": 1, "hits": {"total": total, "max_score": most, "hits": rows}, **more}).encode()


@dataclass
class Got:
    """An answer as it came to a client, nothing decoded."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def ids(self) -> list[str]:
        return [hit["_id"] for hit in self.json["hits"]["hits"]]


@dataclass
class Endpoint:
    """A running endpoint, and a client of it; `own` is where the own pages are."""

    url: str
    session: aiohttp.ClientSession
    own: str = ""

    @property
    def pages(self) -> Endpoint:
        """The same, asked at the address of the own pages."""
        return Endpoint(self.own, self.session, self.own)

    async def send(self, method: str, target: str, body: Any = None, headers: Any = ()) -> Got:
        """Send a request as it is written: bytes as bytes, anything else as JSON."""
        own = CIMultiDict(headers)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            own.setdefault("Content-Type", "application/json")
        url = URL(self.url + target, encoded=True)
        async with self.session.request(
            method, url, data=body and BytesIO(body), headers=own, allow_redirects=False
        ) as answer:
            return Got(answer.status, CIMultiDict(answer.headers), await answer.read())

    async def search(self, text: str = "hose", target: str = "/docs/_search", headers: Any = (), **body: Any) -> Got:
        return await self.send("POST", target, {"query": {"match": {"body": text}}, **body}, headers)


@asynccontextmanager
async def endpoint(chosen: Settings) -> AsyncIterator[Endpoint]:
    """Run an endpoint on free ports."""
    running = runner(chosen)
    with capture_logs():
        await running.setup()
        own = () if chosen.admin_listen == "shared" else bind("127.0.0.1:0")
        sites = await listen(running, chosen, Sockets(bind("127.0.0.1:0"), own))
        (url,), (pages,) = sites.names, sites.pages
        timeout = aiohttp.ClientTimeout(total=20)
        plain = ("Accept-Encoding", "Accept", "User-Agent", "Content-Type")
        async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=plain, timeout=timeout) as session:
            try:
                yield Endpoint(url, session, pages)
            finally:
                await running.cleanup()
