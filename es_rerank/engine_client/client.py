"""Asks the engine: one connection pool over its nodes. Bytes and codings are left alone."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from io import BytesIO

import aiohttp
import structlog
from yarl import URL

from es_rerank.compat.dialects import DIALECTS, PRODUCT_HEADER
from es_rerank.config.settings import Settings
from es_rerank.engine_client.credentials import Credentials, credentials
from es_rerank.engine_client.node_pool import NodePool
from es_rerank.engine_client.upload import Payload, Watched
from es_rerank.errors import UpstreamError
from es_rerank.net.connection_errors import describe_error
from es_rerank.net.headers import passing
from es_rerank.net.messages import Body, EngineResponse, Request, Stream
from es_rerank.net.tls import NotReachedError, Trust

log = structlog.get_logger()

# Elasticsearch takes 16 KB of headers and 4 KB of request line by default; operators raise both.
MAX_LINE = 64 * 1024
# What is read ahead of a slow reader; more of it falls out of the processor's cache before it is written.
READ_BUFFER = 64 * 1024
# As many as fit into 16 KB.
MAX_HEADERS = 4096
_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
# The node was not reached: nothing of the request was sent, so another node may be asked, even to write.
_NOT_REACHED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, NotReachedError)
_MOST_SENDS = 2
_IDLE_SECONDS = 30.0
# The engines refuse a longer request line (4 KB) or head (8 KB in old ones) and then leave the connection open, but
# swallow all that comes after without an answer: so it must serve no other request.
_LONG_LINE = 4000
_LARGE = 1024 * 1024
_LONG_HEAD = 8000


class EngineClient:
    """The engine. State: the connections, which nodes could not be reached, and which engine it is.

    `distribution` is `opensearch` or empty, as `GET /` says; None until somebody has asked.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare to reach the upstream of *settings*; nothing is sent yet. Raises ConfigError for unusable files."""
        self._settings = settings
        self._dialect = DIALECTS[settings.emulate]
        self._credentials: Credentials = credentials(settings)
        self._nodes = NodePool(settings.upstream)
        self._trust = Trust(settings)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self.distribution: str | None = None

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[EngineResponse]:
        """Send a request and give the answer once its head is here. Raises UpstreamError if none comes.

        Raises RequestError if the body that streams cannot be read. There is no limit on time: `_reindex` may take
        hours.
        """
        body = Watched(request.body) if isinstance(request.body, Stream) else None
        asked = replace(request, body=body) if body else request
        try:
            answer = await self._answer(self._plain(asked))
        except UpstreamError:
            if body and body.fault:
                raise body.fault from None
            raise
        whole = False
        try:
            yield self._shown(request, answer)
            whole = answer.content.at_eof()
        finally:
            # A connection on which anything is left to be sent or read serves no other request.
            if whole and (body is None or body.ended):
                answer.release()
            else:
                answer.close()
            if body:
                await body.stopped()

    def _plain(self, request: Request) -> Request:
        """Write a request in words that every engine takes."""
        return replace(request, headers=self._dialect.request_headers(request.headers)) if self._dialect else request

    def _shown(self, request: Request, answer: aiohttp.ClientResponse) -> EngineResponse:
        """Write the head of an answer as the client is to see it."""
        headers = passing(answer.raw_headers)
        elasticsearch = PRODUCT_HEADER in headers
        if self._dialect:
            headers = self._dialect.response_headers(request.headers.get("Accept", ""), headers)
        return EngineResponse(answer.status, answer.reason, headers, answer.content, elasticsearch)

    async def _answer(self, request: Request) -> aiohttp.ClientResponse:
        """Ask the nodes in turn until one is reached; a connection it had closed is a reason to send once more."""
        fault: Exception | None = None
        sends = 0
        for url in self._nodes.order(time.monotonic()):
            while sends < _MOST_SENDS:
                try:
                    answer = await self._send(url, request)
                except _NOT_REACHED as error:
                    fault = error
                    self._lost(url, error)
                    break
                except (aiohttp.ClientError, OSError) as error:
                    fault = error
                    sends = sends + 1 if request.again else _MOST_SENDS
                else:
                    self._found(url)
                    return answer
        silent = isinstance(fault, aiohttp.ServerDisconnectedError)
        raise UpstreamError(f"the engine cannot be reached: {describe_error(fault)}", silent=silent) from fault

    async def _send(self, url: str, request: Request) -> aiohttp.ClientResponse:
        """Send one request; the path goes as the client wrote it."""
        signed = await self._credentials(url, request) if request.use_service_credentials else request
        return await self._pool(once=_is_long(signed)).request(
            signed.method,
            URL(url + signed.target, encoded=True),
            headers=signed.headers,
            data=_data(signed.body),
            allow_redirects=False,
            ssl=await self._trust.context(url),
        )

    def _lost(self, url: str, error: Exception) -> None:
        """Let a node rest."""
        self._nodes.failed(url, time.monotonic())
        log.warning("node not reached", node=url, reason=describe_error(error))

    def _found(self, url: str) -> None:
        """Take a node that answers for alive."""
        if self._nodes.answered(url):
            log.info("node answers again", node=url)

    def _pool(self, *, once: bool) -> aiohttp.ClientSession:
        """Open a pool at its first request, inside the running loop; one keeps no connection for a second request."""
        if once not in self._sessions:
            kept = {"force_close": True} if once else {"keepalive_timeout": _IDLE_SECONDS}
            self._sessions[once] = session = aiohttp.ClientSession(
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=0, **kept),
                cookie_jar=aiohttp.DummyCookieJar(),
                max_field_size=MAX_LINE,
                max_headers=MAX_HEADERS,
                max_line_size=MAX_LINE,
                read_bufsize=READ_BUFFER,
                skip_auto_headers=_OWN_HEADERS,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_timeout),
            )
            # aiohttp would send PUT and DELETE twice over a stale connection, a streamed body half the second time.
            session._retry_connection = False  # noqa: SLF001 - it has no public switch
        return self._sessions[once]


def _data(body: Body) -> Payload | BytesIO | bytes | None:
    """Hand a body to the HTTP client; a large one goes bit by bit, so that other requests get their turns."""
    if isinstance(body, Stream):
        return Payload(body)
    return BytesIO(body) if body and len(body) > _LARGE else body


def _is_long(request: Request) -> bool:
    """Tell whether an engine may find the head of a request too long."""
    size = sum(len(name) + len(value) for name, value in request.headers.items())
    return len(request.target) > _LONG_LINE or size > _LONG_HEAD
