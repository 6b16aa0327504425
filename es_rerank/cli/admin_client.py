"""A client of the admin pages of a running es-rerank, for `es-rerank explain` and `es-rerank size`."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from es_rerank.errors import EsRerankError
from es_rerank.net.connection_errors import describe_error
from es_rerank.server.admin.pages import PREFIX

_TIMEOUT = aiohttp.ClientTimeout(total=120.0)
_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

Question = Mapping[str, Any]
"""The body of `POST /_rerank/explain`."""


@dataclass(frozen=True, slots=True)
class AdminPages:
    """The admin pages to connect to.

    Attributes:
        url: Base URL of the admin pages. `es-rerank explain` also takes the URL of an engine.
        headers: Headers of each request, such as `Authorization`.
        ca: PEM file of the CA certificates to trust; None for the CA certificates of the system.

    """

    url: str
    headers: Mapping[str, str]
    ca: Path | None = None


class AdminClient:
    """Sends requests to the admin pages. Create it with `connected`."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        """Use the connections of *session* for the admin pages at the base URL *url*."""
        self._session = session
        self._url = url

    async def status(self) -> Mapping[str, Any]:
        """Return the response of `/_rerank/status`; empty if the URL is not an address of es-rerank.

        Raises:
            EsRerankError: If access is denied, or if the URL is the address of es-rerank for clients.

        """
        async with self._session.get(f"{self._url}{PREFIX}/status") as answer:
            body = await _json(answer)
            if answer.status in _DENIED:
                how = "send credentials with -H 'Authorization: ...'"
                raise EsRerankError(f"--endpoint: {self._url} denies access with HTTP {answer.status}: {how}")
            if "reranker" in body:
                return body
        async with self._session.get(f"{self._url}/_search?size=0") as answer:
            if "X-Rerank" in answer.headers:
                raise EsRerankError(
                    f"--endpoint: {self._url} is the address of es-rerank for clients: use that of its admin pages, "
                    "such as http://127.0.0.1:9281 (setting admin_listen)"
                )
        return {}

    async def explain(self, question: Question) -> Sequence[Mapping[str, Any]]:
        """Return the explanation of each search of a request. Raises EsRerankError if there is no valid response."""
        async with self._session.post(f"{self._url}{PREFIX}/explain", json=question) as answer:
            body = await _json(answer)
        if answer.status == HTTPStatus.OK and isinstance(body.get("searches"), list):
            searches: list[Mapping[str, Any]] = body["searches"]
            return searches
        error = body.get("error")
        reason = error.get("reason") if isinstance(error, dict) else None
        raise EsRerankError(f"--endpoint: HTTP {answer.status}: {reason or 'no explanation'}")


@asynccontextmanager
async def connected(pages: AdminPages) -> AsyncIterator[AdminClient]:
    """Yield a client, and close its connections at the end of the block.

    Raises:
        EsRerankError: If a request fails, for example because there is no connection.

    """
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=pages.ca) if pages.ca else True)
    async with aiohttp.ClientSession(connector=connector, headers=dict(pages.headers), timeout=_TIMEOUT) as session:
        try:
            yield AdminClient(session, pages.url)
        except aiohttp.ClientConnectorError as error:
            raise EsRerankError(f"--endpoint: {pages.url} cannot be reached: {describe_error(error)}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EsRerankError(f"--endpoint: {pages.url}: {describe_error(error)}") from error


async def read_status(pages: AdminPages) -> Mapping[str, Any]:
    """Return the response of `/_rerank/status` of a running es-rerank.

    Raises:
        EsRerankError: If es-rerank cannot be reached or denies access, or if the URL is not an address of es-rerank.

    """
    async with connected(pages) as client:
        found = await client.status()
    if not found:
        raise EsRerankError(f"--endpoint: {pages.url} has no admin pages of es-rerank (setting admin_listen)")
    return found


async def _json(answer: aiohttp.ClientResponse) -> Mapping[str, Any]:
    """Return the JSON object in a response body, or an empty object if the body is anything else."""
    try:
        body = await answer.json(content_type=None)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
