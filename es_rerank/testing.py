"""Fake engines and rerank servers, for tests of es-rerank and of applications that use it.

engine = FakeServer({"/docs/_field_caps": CAPS, "": FakeResponse(search_response(("1", 2.0, "a garden hose")))})
async with serve_fake(engine), running_endpoint(fake_settings(engine)) as endpoint:
    reply = await endpoint.search("hose")
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
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
"""The response of `_field_caps` for an index `docs` with two text fields and a keyword field."""

_POLL_SECONDS = 0.002
# Port 9 (discard), on which no server is expected to listen.
_NOWHERE = "http://127.0.0.1:9"


@dataclass
class ReceivedRequest:
    """A request that a fake server received. The body is not decompressed."""

    method: str
    target: str
    headers: CIMultiDict[str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed as JSON."""
        return json.loads(self.body)


@dataclass
class FakeResponse:
    """A response of a fake server.

    Attributes:
        body: The body, either complete or as chunks that are sent separately.
        seconds: Delay before the response, in seconds.
        pause: Delay after each chunk, in seconds.
        cut_off: Whether the connection is aborted after the last chunk, before the body is complete.

    """

    body: bytes | Sequence[bytes] = b""
    status: int = 200
    headers: Sequence[tuple[str, str]] = (("Content-Type", "application/json"),)
    seconds: float = 0.0
    pause: float = 0.0
    cut_off: bool = False


Responder = FakeResponse | Callable[[ReceivedRequest], FakeResponse]
"""A response, or a function that returns the response to a request."""


@dataclass
class FakeServer:
    """A fake server. `says` maps prefixes of request targets to responses; the first match is used.

    `seen` has all requests received so far. `serve_fake` sets `url`, the base URL.
    """

    says: dict[str, Responder] = field(default_factory=dict)
    seen: list[ReceivedRequest] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Record a request and send the matching response."""
        body = b"".join([chunk async for chunk in request.content.iter_any()])
        received = ReceivedRequest(request.method, request.raw_path, CIMultiDict(request.headers), body)
        self.seen.append(received)
        row = next(row for prefix, row in self.says.items() if received.target.startswith(prefix))
        response = row(received) if callable(row) else row
        await asyncio.sleep(response.seconds)
        return await _write(request, response)

    async def reached(self, requests: int) -> None:
        """Wait until *requests* requests have been received. Raises TimeoutError after ten seconds."""
        await until(lambda: len(self.seen) >= requests)

    def targets(self, *, without: str = "_field_caps") -> list[str]:
        """Return the targets of all requests, except targets that contain *without*."""
        return [received.target for received in self.seen if without not in received.target]


async def until(condition: Callable[[], object], limit_s: float = 10.0) -> None:
    """Wait until *condition* returns a true value. Raises TimeoutError after *limit_s* seconds."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(_POLL_SECONDS)


async def _write(request: web.BaseRequest, response: FakeResponse) -> web.StreamResponse:
    """Send a response to the client of a fake server, and return the aiohttp response that was sent."""
    headers = CIMultiDict(response.headers)
    if isinstance(response.body, bytes) and not response.cut_off:
        headers.setdefault("Content-Length", str(len(response.body)))
    stream = web.StreamResponse(status=response.status, headers=headers)
    await stream.prepare(request)
    for chunk in [response.body] if isinstance(response.body, bytes) else response.body:
        if request.method != "HEAD":
            await stream.write(chunk)
            await asyncio.sleep(response.pause)
    if not response.cut_off:
        await stream.write_eof()
    elif request.transport:
        request.transport.abort()
    return stream


@asynccontextmanager
async def serve_fake(fake: FakeServer, socket: Path | None = None) -> AsyncIterator[FakeServer]:
    """Run a fake server on a free port of 127.0.0.1, or on a Unix socket."""
    running = web.ServerRunner(web.Server(fake.handle, auto_decompress=False), shutdown_timeout=0.1)
    await running.setup()
    await (web.UnixSite(running, socket) if socket else web.TCPSite(running, "127.0.0.1", 0)).start()
    fake.url = f"unix:{socket}" if socket else f"http://127.0.0.1:{running.addresses[0][1]}"
    try:
        yield fake
    finally:
        await running.cleanup()


def fake_settings(
    engine: FakeServer | None = None, reranker: FakeServer | Sequence[FakeServer] | None = None, **settings: Any
) -> Settings:
    """Return settings that use the fake servers. A server that is None is replaced by a URL that refuses connections.

    The defaults are a cross-encoder profile, the approximate tokenizer and no self-test; *settings* override them.
    """
    values: dict[str, Any] = {"profile": "bge-reranker", "tokenizer": "estimate", "self_test": False, **settings}
    for name, fakes in {"upstream": engine, "reranker": reranker}.items():
        urls = [one.url for one in ([fakes] if isinstance(fakes, FakeServer) else fakes or ())]
        values.setdefault(name, urls or _NOWHERE)
    return Settings.model_validate(values)


def score_response(
    by_text: Mapping[str, float] | None = None, default: float = 0.0
) -> Callable[[ReceivedRequest], FakeResponse]:
    """Return a responder for vLLM's `/score`: each text gets the logit of the first key in it, otherwise *default*."""

    def answer(received: ReceivedRequest) -> FakeResponse:
        texts = received.json["text_2"]
        scores = [next((logit for key, logit in (by_text or {}).items() if key in text), default) for text in texts]
        rows = [{"index": index, "score": score} for index, score in enumerate(scores)]
        return FakeResponse(json.dumps({"data": rows}).encode())

    return answer


def search_response(*hits: tuple[str, float, str], **members: Any) -> bytes:
    """Return the body of a search response with hits, each (id, score, body), and additional top-level *members*."""
    rows = [{"_index": "docs", "_id": id_, "_score": score, "_source": {"body": text}} for id_, score, text in hits]
    highest = max((score for _, score, _ in hits), default=None)
    total = {"value": len(rows), "relation": "eq"}
    return json.dumps({"took": 1, "hits": {"total": total, "max_score": highest, "hits": rows}, **members}).encode()


@dataclass
class ClientReply:
    """A response that a client of the endpoint received. The body is not decompressed."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed as JSON."""
        return json.loads(self.body)

    @property
    def ids(self) -> list[str]:
        """The IDs of the hits, in order."""
        return [hit["_id"] for hit in self.json["hits"]["hits"]]


@dataclass
class RunningEndpoint:
    """A running endpoint with a client session. `own` is the base URL of its admin pages."""

    url: str
    session: aiohttp.ClientSession
    own: str = ""

    @property
    def pages(self) -> RunningEndpoint:
        """The same endpoint, for requests to the admin pages."""
        return RunningEndpoint(self.own, self.session, self.own)

    async def send(self, method: str, target: str, body: Any = None, headers: Any = ()) -> ClientReply:
        """Send a request. A body of type bytes is sent unchanged, any other body as JSON."""
        fields = CIMultiDict(headers)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            fields.setdefault("Content-Type", "application/json")
        url = URL(self.url + target, encoded=True)
        async with self.session.request(
            method, url, data=body and BytesIO(body), headers=fields, allow_redirects=False
        ) as reply:
            return ClientReply(reply.status, CIMultiDict(reply.headers), await reply.read())

    async def search(
        self, text: str = "hose", target: str = "/docs/_search", headers: Any = (), **body: Any
    ) -> ClientReply:
        """Search the field `body` for *text*, with additional members of the request *body*."""
        return await self.send("POST", target, {"query": {"match": {"body": text}}, **body}, headers)


@asynccontextmanager
async def running_endpoint(settings: Settings) -> AsyncIterator[RunningEndpoint]:
    """Run an endpoint on free ports of 127.0.0.1, without log output."""
    running = runner(settings)
    with capture_logs():
        await running.setup()
        own = () if settings.admin_listen == "shared" else bind("127.0.0.1:0")
        sites = await listen(running, settings, Sockets(bind("127.0.0.1:0"), own))
        (url,), (pages,) = sites.names, sites.pages
        timeout = aiohttp.ClientTimeout(total=20)
        plain = ("Accept-Encoding", "Accept", "User-Agent", "Content-Type")
        async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=plain, timeout=timeout) as session:
            try:
                yield RunningEndpoint(url, session, pages)
            finally:
                await running.cleanup()
