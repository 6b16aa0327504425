from __future__ import annotations

import pytest

from es_rerank.cli.admin_client import AdminPages, connected, read_status
from es_rerank.errors import EsRerankError
from es_rerank.testing import FakeResponse, FakeServer, fake_settings, running_endpoint, serve_fake
from tests.server.handlers.engine import running

USER = {"Authorization": "Basic bWU6cmlnaHQ="}


async def test_the_status_has_the_throughput_of_each_server() -> None:
    async with running() as (proxy, engine, reranker):
        found = await read_status(AdminPages(proxy.own, USER))
        servers = [(one["url"], one["tokens_per_second"]) for one in found["reranker"]["servers"]]
        assert servers == [(reranker.url, None)]
        with pytest.raises(EsRerankError, match="has no admin pages of es-rerank"):
            await read_status(AdminPages(engine.url, {}))


async def test_the_address_for_clients_is_not_mistaken_for_an_engine() -> None:
    async with running() as (proxy, _, _):
        with pytest.raises(EsRerankError, match="use that of its admin pages"):
            await read_status(AdminPages(proxy.url, {}))


async def test_denied_access_is_reported_with_what_to_do() -> None:
    denied = FakeServer({"": FakeResponse(b'{"error":{"reason":"missing credentials"}}', 401)})
    async with serve_fake(denied) as engine, running_endpoint(fake_settings(engine, admin_listen="shared")) as proxy:
        with pytest.raises(EsRerankError, match="denies access with HTTP 401: send credentials with -H"):
            await read_status(AdminPages(proxy.url, {}))


async def test_a_question_that_is_not_answered_is_reported_with_its_reason() -> None:
    async with running() as (proxy, _, _), connected(AdminPages(proxy.own, {})) as client:
        with pytest.raises(EsRerankError, match="HTTP 400: path: "):
            await client.explain({"path": "docs"})


async def test_an_endpoint_that_is_down_is_reported() -> None:
    with pytest.raises(EsRerankError, match=r"127\.0\.0\.1:9 cannot be reached"):
        await read_status(AdminPages("http://127.0.0.1:9", {}))
