"""The HTTP client for the engine, with one connection pool for all nodes. Response bodies are not decoded."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from errno import EMFILE, ENFILE
from io import BytesIO

import aiohttp
import structlog
from yarl import URL

from es_rerank.compat.dialects import DIALECTS, PRODUCT_HEADER
from es_rerank.config.settings import Settings
from es_rerank.engine_client.credentials import Credentials, credentials
from es_rerank.engine_client.node_pool import NodePool
from es_rerank.engine_client.upload import UploadPayload, WatchedUpload
from es_rerank.errors import UpstreamError
from es_rerank.net.connection_errors import describe_error
from es_rerank.net.content_encoding import is_near
from es_rerank.net.headers import end_to_end_headers
from es_rerank.net.limits import MAX_FIELD_BYTES, MAX_HEADERS, MAX_LINE_BYTES, READ_BUFFER_BYTES
from es_rerank.net.messages import Body, EngineResponse, OutgoingRequest, Stream
from es_rerank.net.name_lookup import resolver
from es_rerank.net.tls import EngineTrust, NotReachedError
from es_rerank.net.tracing import TRACING

log = structlog.get_logger()

_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
# With these errors nothing was sent to the node, so another node can be tried, even for a write.
_NOT_REACHED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, NotReachedError)
_NO_DESCRIPTORS = frozenset({EMFILE, ENFILE})
_MAX_SENDS = 2
_IDLE_SECONDS = 30.0
_OPENSEARCH = "opensearch"
# OpenSearch 3 sends its version in each response.
_OPENSEARCH_HEADER = "X-OpenSearch-Version"
# The engines reject a longer request line (4 KB) or header section (8 KB in old versions). They keep the connection
# open but never respond to later requests on it, so such a connection must not be reused.
_LONG_TARGET_BYTES = 4000
_LONG_HEADERS_BYTES = 8000
# With these schemes, some servers authenticate the connection, and not only the request. They would treat a later
# request of another user on the same connection as one of the first user (RFC 4559, section 6).
_BINDING_SCHEMES = ("negotiate", "ntlm")
_LARGE_BODY_BYTES = 1024 * 1024


class EngineClient:
    """The HTTP client for the engine. State: connections, nodes that are down, and the engine's distribution.

    Attributes:
        compressed: Whether to ask for compressed responses to searches, for clients that accept them.
        distribution: `opensearch`, or empty for other engines, from `GET /` or a response header; None if unknown.

    """

    def __init__(self, settings: Settings) -> None:
        """Create a client for the nodes in `upstream`. Raises ConfigError if a file in the settings cannot be used."""
        self._settings = settings
        self._dialect = DIALECTS[settings.emulate]
        self._credentials: Credentials | None = credentials(settings)
        self._nodes = NodePool(settings.upstream)
        self._trust = EngineTrust(settings)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        near = is_near(settings.upstream)
        self.compressed = settings.engine_compression == "on" or (settings.engine_compression == "auto" and not near)
        self.distribution: str | None = None

    def __repr__(self) -> str:
        """Show the state of the nodes, the number of sessions and the distribution, but no credentials."""
        return f"EngineClient({self._nodes!r}, sessions={len(self._sessions)}, distribution={self.distribution!r})"

    def renewal(self) -> Callable[[], None]:
        """Load the current certificate files, and return a function that starts to use them for new connections.

        Raises:
            ConfigError: A file cannot be used.

        """
        return self._trust.renewal()

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()

    @asynccontextmanager
    async def open(self, request: OutgoingRequest) -> AsyncIterator[EngineResponse]:
        """Send a request and yield the response once its headers have arrived.

        There is no response timeout, because some requests (such as `_reindex`) can take hours.

        Raises:
            UpstreamError: No node responded.
            RequestError: The client's streamed body is malformed, or cannot be buffered to be signed.

        """
        prepared = await self._prepared(request)
        body = WatchedUpload(prepared.body) if isinstance(prepared.body, Stream) else None
        try:
            answer = await self._answer(replace(prepared, body=body) if body else prepared)
        except UpstreamError:
            if body and body.fault:
                raise body.fault from None
            raise
        else:
            complete = False
            try:
                yield self._presented(request, answer)
                complete = answer.content.at_eof()
            finally:
                # A connection with unsent request bytes or unread response bytes must not be reused.
                if complete and (body is None or body.ended):
                    answer.release()
                else:
                    answer.close()
        finally:
            if body:
                await body.stopped()
                body.close()

    async def _prepared(self, request: OutgoingRequest) -> OutgoingRequest:
        """Return the request with all changes that do not depend on the node."""
        translated = self._translated(request)
        TRACING.inject(translated.headers)
        own = self._credentials if request.use_service_credentials else None
        return await own.prepare(translated) if own else translated

    def _translated(self, request: OutgoingRequest) -> OutgoingRequest:
        """Return the request with media types that every engine accepts, if another engine is emulated."""
        return replace(request, headers=self._dialect.request_headers(request.headers)) if self._dialect else request

    def _presented(self, request: OutgoingRequest, answer: aiohttp.ClientResponse) -> EngineResponse:
        """Return the engine's response with the headers for the client."""
        headers = end_to_end_headers(answer.raw_headers)
        elasticsearch = PRODUCT_HEADER in headers
        if _OPENSEARCH_HEADER in headers:
            self.distribution = _OPENSEARCH
        if self._dialect:
            headers = self._dialect.response_headers(request.headers.get("Accept", ""), headers)
        return EngineResponse(answer.status, answer.reason, headers, answer.content, elasticsearch)

    async def _answer(self, request: OutgoingRequest) -> aiohttp.ClientResponse:
        """Return the first response of a node. After a closed connection, send a retryable request once more."""
        fault: Exception | None = None
        sends = 0
        left = deque(self._urls())
        while left and sends < _MAX_SENDS:
            url = left.popleft()
            try:
                answer = await self._send(url, request)
            except _NOT_REACHED as error:
                fault = error
                self._failed(url, error)
            except (aiohttp.ClientError, OSError) as error:
                fault = error
                sends = sends + 1 if request.retryable else _MAX_SENDS
                # Another node is tried first, because this one may close each connection.
                left.append(url)
            else:
                if url in self._nodes.down:
                    self._recovered(url)
                return answer
        silent = isinstance(fault, aiohttp.ServerDisconnectedError)
        raise UpstreamError(f"the engine cannot be reached: {describe_error(fault)}", silent=silent) from fault

    def _urls(self) -> Sequence[str]:
        """Return the node URLs in the order in which to try them."""
        urls = self._nodes.urls
        return urls if len(urls) == 1 else self._nodes.order(time.monotonic())

    async def _send(self, url: str, request: OutgoingRequest) -> aiohttp.ClientResponse:
        """Send a request to a node, without normalizing its target, and return the response."""
        if self._credentials and request.use_service_credentials:
            request = await self._credentials.sign(url, request)
        return await self._session(once=_is_long(request) or _binds_connection(request)).request(
            request.method,
            URL(url + request.target, encoded=True),
            headers=request.headers,
            data=_data(request.body),
            allow_redirects=False,
            ssl=await self._trust.context(url) if url.startswith("https") else True,
        )

    def _failed(self, url: str, error: Exception) -> None:
        """Mark a node as down, unless this process or machine has no file descriptor left to connect to it."""
        if getattr(error, "errno", None) in _NO_DESCRIPTORS:
            return
        self._nodes.failed(url, time.monotonic())
        log.warning("node unreachable", node=url, reason=describe_error(error))

    def _recovered(self, url: str) -> None:
        """Mark a node as up. Concurrent requests may report the same node; only the first is logged."""
        if self._nodes.answered(url):
            log.info("node reachable again", node=url)

    def _session(self, *, once: bool) -> aiohttp.ClientSession:
        """Return a session, opened on first use. With *once*, connections are closed after one request."""
        if once not in self._sessions:
            reuse = {"force_close": True} if once else {"keepalive_timeout": _IDLE_SECONDS}
            self._sessions[once] = session = aiohttp.ClientSession(
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=0, resolver=resolver(), **reuse),
                cookie_jar=aiohttp.DummyCookieJar(),
                max_field_size=MAX_FIELD_BYTES,
                max_headers=MAX_HEADERS,
                max_line_size=MAX_LINE_BYTES,
                read_bufsize=READ_BUFFER_BYTES,
                skip_auto_headers=_OWN_HEADERS,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_timeout),
            )
            # aiohttp would retry PUT and DELETE on a stale connection, and then send only the rest of a streamed body.
            session._retry_connection = False  # noqa: SLF001 - there is no public option
        return self._sessions[once]


def _data(body: Body) -> UploadPayload | BytesIO | bytes | None:
    """Return a body in a form for aiohttp. A large body is sent in chunks, so that it does not block the event loop."""
    if isinstance(body, Stream):
        return UploadPayload(body)
    return BytesIO(body) if body and len(body) > _LARGE_BODY_BYTES else body


def _is_long(request: OutgoingRequest) -> bool:
    """Return whether engines may reject the request line or the headers because of their length."""
    size = sum(len(name) + len(value) for name, value in request.headers.items())
    return len(request.target) > _LONG_TARGET_BYTES or size > _LONG_HEADERS_BYTES


def _binds_connection(request: OutgoingRequest) -> bool:
    """Return whether the engine may treat later requests on this connection as requests of the same user."""
    given = request.headers.getall("Authorization", ())
    return any(value.lstrip().lower().startswith(_BINDING_SCHEMES) for value in given)
