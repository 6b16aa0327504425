"""HTTP requests to one rerank server. Exceptions are converted to failure values, and rejected batches are split."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import aiohttp
import msgspec
import structlog
from yarl import URL

from es_rerank.config.addresses import UNIX
from es_rerank.config.settings import Settings
from es_rerank.jsonspan import decode
from es_rerank.model import Failed, Why
from es_rerank.net.connection_errors import describe_error
from es_rerank.net.content_encoding import read_limited
from es_rerank.net.name_lookup import resolver
from es_rerank.net.tracing import TRACING
from es_rerank.rerank.backends import Backend, BadAnswerError, RerankCall
from es_rerank.rerank_client import served_models
from es_rerank.rerank_client.redact import redacted

log = structlog.get_logger()

# A response means that a text exceeds the model's context length if it has one of these statuses and its first bytes
# contain one of these phrases.
_TOO_LONG_STATUSES = frozenset({400, 413, 422})
_TOO_LONG = (b"input_tokens", b"input_text", b"maximum context length", b"max_model_len", b"too long", b"input length")
_TOO_LONG_WITHIN_BYTES = 300
# Error messages for a too large batch: `batch size 33 > maximum allowed batch size 32`, `at most 1000 documents`.
_BATCH_LIMIT = re.compile(
    r"max\w*[a-z_ -]{0,30}batch[ _]size\D{0,20}(\d+)|at most\D{0,20}(\d+)[a-z ]{0,20}(?:document|text|input)"
)
# uvicorn, the HTTP server of vLLM, closes idle connections after five seconds.
_KEEPALIVE_SECONDS = 4.0
_CONNECT_SECONDS = 5.0
# Requests over a Unix socket also need a URL with a host.
_SOCKET_URL = "http://localhost"
_GET_SECONDS = 2.0
_MAX_RESPONSE_BYTES = 64 * 1024 * 1024


class RerankTransport:
    """The connections to one rerank server.

    Attributes:
        max_batch: Maximum number of texts per request. It is reduced when the server reports a lower limit.

    """

    def __init__(self, settings: Settings, url: str, backend: Backend) -> None:
        """Prepare to send requests in the format of *backend* to *url*, with the API key in *settings*.

        *url* is a base URL, or `unix:/PATH`, the path of a Unix socket.
        """
        self.max_batch = backend.max_batch
        self._socket = url.removeprefix(UNIX) if url.startswith(UNIX) else None
        base = _SOCKET_URL if self._socket else url
        self._url = base + backend.path
        self._models_url = base + served_models.PATH
        # vLLM has its metrics at the root, whatever the path of its API.
        self._metrics_url = str(URL(base).origin() / "metrics")
        self._backend = backend
        key = settings.reranker_api_key
        self._key = key.get_secret_value() if key else ""
        self._headers = {"Authorization": f"Bearer {self._key}"} if key else {}
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()

    async def ask(self, call: RerankCall, deadline: float) -> list[Any] | Failed:
        """Request raw scores or vectors.

        If the server rejects the batch as too large, it is split. If the server rejects a text as too long, the request
        is retried once with each text cut to half its length.

        Args:
            call: The query and the texts.
            deadline: Deadline for the answer, as a value of `time.monotonic()`.

        Returns:
            One value per text, in the order of the texts, or the failure.

        """
        answer = await self._request(call, deadline)
        if not isinstance(answer, Failed):
            return answer
        limit = batch_limit(answer.detail)
        if limit and limit < len(call.texts):
            self.max_batch = min(self.max_batch, limit)
            log.info("batch size limit learned from the rerank server", max_batch=self.max_batch)
            return await self._request_split(call, limit, deadline)
        if answer.why is Why.TOO_LONG:
            return await self._request(call.halved(), deadline)
        return answer

    async def models(self) -> Mapping[str, str]:
        """Return the folder or name that each model of the server was loaded from, by model; empty if unknown."""
        content = await self._get(self._models_url)
        with suppress(ValueError):
            return served_models.parse(content) if content else {}
        return {}

    async def metrics(self) -> bytes:
        """Return the server's metrics in Prometheus text format; empty if the server does not return metrics."""
        return await self._get(self._metrics_url)

    async def _get(self, url: str) -> bytes:
        """Send a GET request and return the response body; empty if the request fails or the status is not 200."""
        session = self._session or self._open_session()
        with suppress(aiohttp.ClientError, OSError, ValueError, TimeoutError):
            async with asyncio.timeout(_GET_SECONDS), session.get(url, allow_redirects=False) as response:
                content, _ = await read_limited(response.content.iter_any(), _MAX_RESPONSE_BYTES)
                return content or b"" if response.status == HTTPStatus.OK else b""
        return b""

    async def _unknown_model(self, model: str) -> Failed | None:
        """Return a failure if the server does not have *model*; None if it does, or if it does not list its models."""
        return served_models.unknown_model(model, await self.models())

    async def _request_split(self, call: RerankCall, limit: int, deadline: float) -> list[Any] | Failed:
        """Send at most *limit* texts per request, one request after the other. Stop at the first failure."""
        values: list[Any] = []
        for start in range(0, len(call.texts), limit):
            answer = await self._request(replace(call, texts=call.texts[start : start + limit]), deadline)
            if isinstance(answer, Failed):
                return answer
            values += answer
        return values

    async def _request(self, call: RerankCall, deadline: float) -> list[Any] | Failed:
        """Send one request and convert exceptions to failures."""
        seconds = deadline - time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(call)
        except TimeoutError:
            return Failed(Why.DEADLINE, f"no answer within {seconds:.1f} s")
        except (BadAnswerError, msgspec.MsgspecError) as error:
            return Failed(Why.BAD_ANSWER, str(error))
        except (aiohttp.ClientConnectionError, OSError) as error:
            return Failed(Why.UNREACHABLE, describe_error(error))
        except aiohttp.ClientError as error:
            # The exception's own message may contain parts of the request and the server's address.
            return Failed(Why.BAD_ANSWER, describe_error(error))
        except ValueError:
            return Failed(Why.BAD_ANSWER, "the response cannot be decoded")

    async def _exchange(self, call: RerankCall) -> list[Any] | Failed:
        """Send a request and return its result. Retry once on a closed connection, because scoring is idempotent."""
        body = msgspec.json.encode(self._backend.encode(call))
        try:
            return await self._post(call, body)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError):
            return await self._post(call, body)

    async def _post(self, call: RerankCall, body: bytes) -> list[Any] | Failed:
        """Send the request body, and return the decoded response or, for an error status, the failure."""
        session = self._session or self._open_session()
        headers: dict[str, str] = {}
        TRACING.inject(headers)
        async with session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            content, _ = await read_limited(response.content.iter_any(), _MAX_RESPONSE_BYTES)
            if content is None:
                raise BadAnswerError(f"the response is longer than {_MAX_RESPONSE_BYTES} bytes")
            if response.status != HTTPStatus.OK:
                detail = redacted(content, [call.query, *call.texts], self._key)
                unknown = response.status == HTTPStatus.NOT_FOUND and await self._unknown_model(call.model)
                return unknown or _refusal(response.status, content, detail)
            return self._backend.decode(decode(content), len(call.texts))

    def _open_session(self) -> aiohttp.ClientSession:
        """Open the connection pool. Called at the first request, because aiohttp needs a running event loop."""
        self._session = aiohttp.ClientSession(
            headers={"Content-Type": "application/json", **self._headers},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            connector=_connector(self._socket),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self._session


def _connector(socket: str | None) -> aiohttp.BaseConnector:
    """Return a connection pool for TCP or for the Unix socket at a path. The number of connections is not limited."""
    if socket:
        return aiohttp.UnixConnector(socket, limit=0, keepalive_timeout=_KEEPALIVE_SECONDS)
    return aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS, resolver=resolver())


def batch_limit(refusal: str) -> int | None:
    """Return the maximum number of texts per request that an error message names, or None if it names no maximum."""
    match = _BATCH_LIMIT.search(refusal.lower())
    return int(match[1] or match[2]) if match else None


def _refusal(status: int, content: bytes, detail: str) -> Failed:
    """Convert an error response to a failure; *detail* is the part of *content* that may be logged."""
    start = content[:_TOO_LONG_WITHIN_BYTES]
    if status in _TOO_LONG_STATUSES and any(words in start for words in _TOO_LONG):
        return Failed(Why.TOO_LONG, detail)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        why = Why.OVERLOADED
    else:
        why = Why.RERANKER_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Why.REFUSED
    return Failed(why, f"HTTP {status}: {detail}")
