"""Asks a running endpoint to explain a request. For the URL of an engine, it starts a temporary endpoint."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from es_rerank.cli.options import settings_from
from es_rerank.config.settings import Settings
from es_rerank.errors import EsRerankError
from es_rerank.net.connection_errors import describe_error
from es_rerank.rerank_client.client import Reranker
from es_rerank.server.admin.pages import PREFIX
from es_rerank.server.app import runner
from es_rerank.server.listen.site import listen
from es_rerank.server.listen.sockets import Sockets, bind
from es_rerank.server.state import STATE

_TIMEOUT = aiohttp.ClientTimeout(total=120.0)
_SELF_TEST_SECONDS = 10.0
_ANY_PORT = "127.0.0.1:0"
_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

Question = Mapping[str, Any]
"""The body of `POST /_rerank/explain`."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send the request to explain, and with which settings.

    Attributes:
        url: URL of the admin pages of an endpoint, or of an engine.
        headers: Headers of each request, such as `Authorization`.
        ca: PEM file of the CA certificates to trust; None for the system's.
        config: File of the settings, if `url` is an engine.
        mappings: Folder of the rules, if `url` is an engine.

    """

    url: str
    headers: Mapping[str, str]
    ca: Path | None = None
    config: Path | None = None
    mappings: str | None = None


async def ask(target: Target, question: Question) -> Sequence[Mapping[str, Any]]:
    """Return the explanation of each search of a request.

    Raises:
        EsRerankError: The endpoint or the engine cannot be reached, or denies access.

    """
    async with _session(target) as session:
        if await _status(session, target.url):
            return await _explained(session, target.url, question)
        async with _own_endpoint(_settings(target), question) as url:
            return await _explained(session, url, question)


async def status(target: Target) -> Mapping[str, Any]:
    """Return the state of a running endpoint, as on its admin page `/_rerank/status`.

    Raises:
        EsRerankError: The endpoint cannot be reached, denies access, or is not es-rerank.

    """
    async with _session(target) as session:
        found = await _status(session, target.url)
    if not found:
        raise EsRerankError(f"--endpoint: {target.url} has no admin pages of es-rerank (setting admin_listen)")
    return found


@asynccontextmanager
async def _session(target: Target) -> AsyncIterator[aiohttp.ClientSession]:
    """Open connections to the endpoint. Raises EsRerankError if it cannot be reached."""
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=target.ca) if target.ca else True)
    async with aiohttp.ClientSession(connector=connector, headers=dict(target.headers), timeout=_TIMEOUT) as session:
        try:
            yield session
        except aiohttp.ClientConnectorError as error:
            raise EsRerankError(f"--endpoint: {target.url} cannot be reached: {describe_error(error)}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EsRerankError(f"--endpoint: {target.url}: {describe_error(error)}") from error


async def _status(session: aiohttp.ClientSession, url: str) -> Mapping[str, Any]:
    """Return the state of the endpoint whose admin pages are at a URL; empty if there are none.

    Raises:
        EsRerankError: Access is denied, or the URL is the address of es-rerank for clients.

    """
    async with session.get(f"{url}{PREFIX}/status") as answer:
        body = await _json(answer)
        if answer.status in _DENIED:
            how = "send credentials with -H 'Authorization: ...'"
            raise EsRerankError(f"--endpoint: {url} denies access with HTTP {answer.status}: {how}")
        if "reranker" in body:
            return body
    async with session.get(f"{url}/_search?size=0") as answer:
        if "X-Rerank" in answer.headers:
            raise EsRerankError(
                f"--endpoint: {url} is the address of es-rerank for clients: use that of its admin pages, "
                "such as http://127.0.0.1:9281 (setting admin_listen)"
            )
    return {}


async def _explained(session: aiohttp.ClientSession, url: str, question: Question) -> Sequence[Mapping[str, Any]]:
    """Send the request to explain. Raises EsRerankError if there is no valid response."""
    async with session.post(f"{url}{PREFIX}/explain", json=question) as answer:
        body = await _json(answer)
    if answer.status == HTTPStatus.OK and isinstance(body.get("searches"), list):
        searches: list[Mapping[str, Any]] = body["searches"]
        return searches
    error = body.get("error")
    reason = error.get("reason") if isinstance(error, dict) else None
    raise EsRerankError(f"--endpoint: HTTP {answer.status}: {reason or 'no explanation'}")


async def _json(answer: aiohttp.ClientResponse) -> Mapping[str, Any]:
    """Return a response as JSON; empty if it is not a JSON object."""
    try:
        body = await answer.json(content_type=None)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _settings(target: Target) -> Settings:
    """Return the settings of an endpoint in front of the engine: those of `serve`, at any free port, without TLS."""
    own = {"listen": "127.0.0.1:9280", "admin_listen": "127.0.0.1:9281", "workers": 1, "proxy_protocol": False}
    tls = {"upstream_ca": target.ca} if target.ca else {}
    settings = settings_from(
        {"config": target.config, "upstream": target.url, "mappings": target.mappings, **own, **tls}
    )
    return settings.model_copy(update=dict.fromkeys(("listen_certificate", "listen_key", "listen_client_ca")))


@asynccontextmanager
async def _own_endpoint(settings: Settings, question: Question) -> AsyncIterator[str]:
    """Run an endpoint in front of an engine. Yield its admin URL, for a search only after the self-test."""
    running = runner(settings)
    await running.setup()
    try:
        sites = await listen(running, settings, Sockets(bind(_ANY_PORT), bind(_ANY_PORT)))
        if question.get("run"):
            await _tested(running.app[STATE].reranker)
        yield sites.pages[0]
    finally:
        await running.cleanup()


async def _tested(reranker: Reranker) -> None:
    """Run the self-test until it passes, for at most ten seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_SELF_TEST_SECONDS):
            await reranker.start()
