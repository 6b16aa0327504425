"""Explains a request for `es-rerank explain --endpoint`. The URL is that of a running es-rerank or of an engine.

For an engine, a temporary es-rerank is started in this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from es_rerank.cli.admin_client import AdminPages, Question, connected
from es_rerank.cli.options import settings_from
from es_rerank.config.settings import Settings
from es_rerank.rerank_client.client import Reranker
from es_rerank.server.app import runner
from es_rerank.server.listen.site import listen
from es_rerank.server.listen.sockets import Sockets, bind
from es_rerank.server.state import STATE

_SELF_TEST_SECONDS = 10.0
_ANY_PORT = "127.0.0.1:0"


async def explain_request(
    pages: AdminPages, question: Question, *, config: Path | None = None, mappings: str | None = None
) -> Sequence[Mapping[str, Any]]:
    """Return the explanation of each search of a request.

    Args:
        pages: The admin pages of a running es-rerank, or the URL of an engine.
        question: The request to explain.
        config: The settings file for the temporary es-rerank, if the URL is that of an engine.
        mappings: The folder of rules for the temporary es-rerank.

    Raises:
        EsRerankError: If es-rerank or the engine cannot be reached or denies access, or if a setting is invalid.

    """
    async with connected(pages) as client:
        if await client.status():
            return await client.explain(question)
    settings = _settings(pages, config, mappings)
    async with _temporary(settings, question) as url, connected(replace(pages, url=url)) as client:
        return await client.explain(question)


def _settings(pages: AdminPages, config: Path | None, mappings: str | None) -> Settings:
    """Return the settings of the temporary es-rerank: as for `es-rerank serve`, but without TLS for clients."""
    own = {"listen": "127.0.0.1:9280", "admin_listen": "127.0.0.1:9281", "workers": 1, "proxy_protocol": False}
    tls = {"upstream_ca": pages.ca} if pages.ca else {}
    settings = settings_from({"config": config, "upstream": pages.url, "mappings": mappings, **own, **tls})
    return settings.model_copy(update=dict.fromkeys(("listen_certificate", "listen_key", "listen_client_ca")))


@asynccontextmanager
async def _temporary(settings: Settings, question: Question) -> AsyncIterator[str]:
    """Run es-rerank at a free port, and yield the URL of its admin pages.

    If the question asks to run the search, the self-test runs first, because only then is the search reranked.
    """
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
