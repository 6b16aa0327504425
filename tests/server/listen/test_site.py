from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest

from es_rerank.server.app import runner
from es_rerank.server.listen.site import listen
from es_rerank.server.listen.sockets import Sockets, bind
from es_rerank.testing import FakeResponse, FakeServer, fake_settings, running_endpoint, serve_fake
from tests.server.listen.test_connection import send_raw

LIVE = b"GET /_rerank/health/live HTTP/1.0\r\n\r\n"
OURS = {"status": "live"}
ENGINES = {"engine": True}


async def test_unix_sockets_can_be_listened_on(tmp_path: Path) -> None:
    path, pages = tmp_path / "endpoint.sock", tmp_path / "pages.sock"
    async with serve_fake(FakeServer({"": FakeResponse(b'{"engine": true}')})) as engine:
        chosen = fake_settings(engine, listen=f"unix:{path}", admin_listen=f"unix:{pages}")
        running = runner(chosen)
        await running.setup()
        sites = await listen(running, chosen, Sockets(bind(chosen.listen), bind(chosen.admin_listen)))
        assert (sites.names, sites.pages) == ([f"unix:{path}"], [f"unix:{pages}"])
        for place, expected in ((path, ENGINES), (pages, OURS)):
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(place))) as session,
                session.get("http://search.example/_rerank/health/live") as answer,
            ):
                assert (answer.status, await answer.json()) == (200, expected)
        await running.cleanup()


async def test_every_address_of_a_host_is_listened_on() -> None:
    chosen = fake_settings()
    running = runner(chosen)
    await running.setup()
    bound = Sockets(*([*bind("127.0.0.1:0"), *bind("[::1]:0")] for _ in range(2)))
    sites = await listen(running, chosen, bound)
    async with aiohttp.ClientSession() as session:
        for name in sites.pages:
            async with session.get(f"{name}/_rerank/health/live") as answer:
                assert answer.status == 200
        for name in sites.names:
            async with session.get(f"{name}/_rerank/health/live") as answer:
                assert answer.status == 502
    await running.cleanup()


async def test_shared_admin_pages_are_served_where_clients_connect() -> None:
    async with running_endpoint(fake_settings(admin_listen="shared")) as proxy:
        assert proxy.own == proxy.url
        assert (await proxy.send("GET", "/_rerank/health/live")).json == OURS


@pytest.mark.parametrize("preface", [b"PROXY UNKNOWN\r\n", b""])
async def test_the_proxy_protocol_is_used_for_clients_and_not_for_admin_pages(preface: bytes) -> None:
    async with (
        serve_fake(FakeServer({"": FakeResponse(b'{"engine": true}')})) as engine,
        running_endpoint(fake_settings(engine, proxy_protocol=True)) as proxy,
    ):
        balanced, own = [await send_raw(url, preface + LIVE) for url in (proxy.url, proxy.own)]
    if preface:
        assert json.loads(balanced.partition(b"\r\n\r\n")[2]) == ENGINES
        assert b" 400 " in own.splitlines()[0]
    else:
        assert balanced == b""
        assert json.loads(own.partition(b"\r\n\r\n")[2]) == OURS
