"""The engine behind: one connection pool, and the rules of which headers pass. Bytes and codings are left alone."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from es_rerank.config import Settings
from es_rerank.errors import UpstreamError

# RFC 9110, 7.6.1: these are between two neighbours and end here. `Expect` is answered by our own server.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Elasticsearch takes 16 KB of headers and 4 KB of request line by default; operators raise both.
MAX_LINE = 64 * 1024
_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")

Body = bytes | AsyncIterable[bytes] | None


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent to the engine. `target` is the raw path with its query string, `again` allows a second try.

    A request whose connection the engine had closed is tried once more if it only reads; a write never is.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: Body = None
    again: bool = False


class Upstream:
    """A pool of connections to one engine."""

    def __init__(self, settings: Settings) -> None:
        """Prepare to reach the upstream of *settings*; nothing is sent yet."""
        self._base = settings.upstream
        self._ssl = _tls(settings)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and give the answer once its head is here. Raises UpstreamError if none comes.

        There is no limit on time: `_reindex` may take hours.
        """
        answer = await self._answer(request)
        try:
            yield answer
        finally:
            answer.release() if answer.content.at_eof() else answer.close()

    async def _answer(self, request: Request) -> aiohttp.ClientResponse:
        """Send, and once more if the connection was a stale one."""
        try:
            return await self._send(request)
        except aiohttp.ServerDisconnectedError as error:
            if not request.again:
                raise _unreachable(error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(error) from error
        try:
            return await self._send(request)
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(error) from error

    async def _send(self, request: Request) -> aiohttp.ClientResponse:
        """Send one request; the path goes as the client wrote it."""
        return await self._pool().request(
            request.method,
            URL(self._base + request.target, encoded=True),
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            ssl=self._ssl,
        )

    def _pool(self) -> aiohttp.ClientSession:
        """Open the pool at the first request, inside the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                max_field_size=MAX_LINE,
                max_line_size=MAX_LINE,
                skip_auto_headers=_OWN_HEADERS,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            )
            # aiohttp would send PUT and DELETE twice over a stale connection, a streamed body half the second time.
            self._session._retry_connection = False  # noqa: SLF001 - it has no public switch
        return self._session


def passing(headers: CIMultiDictProxy[str] | CIMultiDict[str], *without: str) -> CIMultiDict[str]:
    """Copy the headers that pass, in their order and repeated ones too; *without* names more that end here."""
    named = {name.strip().lower() for value in headers.getall("Connection", []) for name in value.split(",")}
    ended = HOP_BY_HOP | named | {name.lower() for name in without}
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in ended)


def _tls(settings: Settings) -> ssl.SSLContext | bool:
    """Make the TLS context: the system's CAs or the operator's; False checks nothing, True is aiohttp's default."""
    if not settings.upstream_verify:
        return False
    return ssl.create_default_context(cafile=str(settings.upstream_ca)) if settings.upstream_ca else True


def _unreachable(error: Exception) -> UpstreamError:
    """Word a fault of the connection."""
    return UpstreamError(f"the engine cannot be reached: {type(error).__name__}: {error}")
