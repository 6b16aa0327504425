"""Sends searches to the endpoint and to the baseline, as an application does, and measures their response times."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from es_rerank.errors import EsRerankError
from es_rerank.evaluation.values import FoundHit, SearchRecord
from es_rerank.net.connection_errors import describe_error

OK = 200
_TITLES = ("title", "name", "headline", "subject", "label")
_TITLE_CHARACTERS = 160
_TIMEOUT_SECONDS = 600.0
# Some servers and load balancers close idle connections after five seconds, and failed searches are not retried.
_KEEPALIVE_SECONDS = 4.0


class SearchError(EsRerankError):
    """A search that failed. The message names the URL and the reason."""


class SearchTimeoutError(SearchError):
    """A search without a response within the timeout."""


@dataclass(frozen=True, slots=True)
class SearchTarget:
    """The index to search, the URL of the server, and the headers of each request.

    Attributes:
        url: Base URL of the endpoint or of the engine.
        index: The index expression.
        headers: Headers of each request, such as `Authorization`. Reports do not show them.

    """

    url: str
    index: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def search_url(self) -> str:
        """The URL of `_search`."""
        return f"{self.url}/{quote(self.index, safe=',*:<>-_.')}/_search"


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete response; `seconds` is the time from sending the request to the end of the response."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    seconds: float


def search_target(url: str, index: str, headers: Mapping[str, str]) -> SearchTarget:
    """Return the target for a base URL, an index expression and the headers of each request.

    Raises:
        SearchError: If the URL contains credentials, because reports show the URL.

    """
    if "@" in urlsplit(url).netloc:
        raise SearchError("the URL must not contain credentials: use -H 'Authorization: ...'")
    return SearchTarget(url.rstrip("/"), index, headers)


def session(
    ca: Path | None = None, *, timeout: float = _TIMEOUT_SECONDS, connections: int = 100
) -> aiohttp.ClientSession:
    """Return an HTTP client session.

    Args:
        ca: PEM file of the CA certificates to trust, instead of those of the system.
        timeout: Maximum time of a request in seconds.
        connections: Maximum number of connections.

    Raises:
        SearchError: If the file cannot be read.

    """
    try:
        context = ssl.create_default_context(cafile=ca) if ca else True
    except (OSError, ssl.SSLError) as error:
        raise SearchError(f"{ca}: cannot be read as PEM certificates: {error.strerror}") from error
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=connections, keepalive_timeout=_KEEPALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout),
    )


async def search(client: aiohttp.ClientSession, target: SearchTarget, body: Mapping[str, Any]) -> SearchRecord:
    """Send one search, and return its hits, its response time and its outcome.

    Raises:
        SearchError: If there is no response, its status is not 200, or it is not a complete search response.

    """
    reply = await post(client, target, json.dumps(body).encode())
    if reply.status != OK:
        raise SearchError(f"{target.search_url}: status {reply.status}: {reason(reply.content)}")
    hits = tuple(_hits(target.search_url, reply.content))
    return SearchRecord(hits, reply.seconds, reply.headers.get("X-Rerank", ""))


async def post(client: aiohttp.ClientSession, target: SearchTarget, body: bytes) -> Reply:
    """Send one search, a JSON body, and return its response, whatever its status is.

    Raises:
        SearchTimeoutError: If there is no complete response within the timeout of the session.
        SearchError: If there is no complete response for another reason.

    """
    headers = {"Content-Type": "application/json", **target.headers}
    started = time.monotonic()
    try:
        async with client.post(target.search_url, data=body, headers=headers) as response:
            content = await response.read()
            return Reply(response.status, response.headers, content, time.monotonic() - started)
    except TimeoutError as error:
        raise SearchTimeoutError(f"{target.search_url}: no response within the timeout") from error
    except aiohttp.ClientError as error:
        raise SearchError(f"{target.search_url}: no response: {describe_error(error)}") from error


def _hits(url: str, content: bytes) -> Iterator[FoundHit]:
    """Yield the hits of a response. Raises SearchError if it is not a complete search response."""
    try:
        response = json.loads(content)
        hits = response["hits"]["hits"]
        failed = response.get("timed_out") or response.get("_shards", {}).get("failed")
        found = [FoundHit(str(hit["_id"]), title(hit.get("_source") or hit.get("fields") or {})) for hit in hits]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SearchError(f"{url}: the response is not a search response with ids") from None
    if failed:
        raise SearchError(f"{url}: the response is incomplete: it timed out, or shards failed")
    yield from found


def title(source: Mapping[str, Any]) -> str:
    """Return the start of a document's title, or of its longest text if it has no title."""
    texts = {name: text for name, value in source.items() if (text := _text(value))}
    named = next((texts[name] for name in _TITLES if name in texts), "")
    shown = " ".join((named or max(texts.values(), key=len, default="")).split())
    return shown if len(shown) <= _TITLE_CHARACTERS else f"{shown[:_TITLE_CHARACTERS]}…"


def _text(value: Any) -> str:
    """Return a field's value, or the first value of a list, if it is a string; otherwise an empty string."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, str) else ""


def reason(content: bytes) -> str:
    """Return the reason in an engine's error response. For any other response body, return its start."""
    try:
        error = json.loads(content)["error"]
        causes = error.get("root_cause") or [error]
        return str(causes[0].get("reason") or error)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return content[:200].decode("utf-8", "replace")
