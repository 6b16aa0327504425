from __future__ import annotations

from pathlib import Path

import aiohttp

from es_rerank.listen.site import listen
from es_rerank.listen.sockets import bind
from es_rerank.server import runner
from tests.fakes import settings


async def test_a_socket_of_the_file_system_is_listened_on(tmp_path: Path) -> None:
    path = tmp_path / "endpoint.sock"
    chosen = settings(listen=f"unix:{path}")
    running = runner(chosen)
    await running.setup()
    assert (await listen(running, chosen, bind(chosen.listen))).names == [f"unix:{path}"]
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
        session.get("http://endpoint/_rerank/health/live") as answer,
    ):
        assert (answer.status, await answer.json()) == (200, {"status": "live"})
    await running.cleanup()


async def test_all_addresses_of_a_host_are_listened_on() -> None:
    chosen = settings()
    running = runner(chosen)
    await running.setup()
    names = (await listen(running, chosen, [*bind("127.0.0.1:0"), *bind("[::1]:0")])).names
    async with aiohttp.ClientSession() as session:
        for name in names:
            async with session.get(f"{name}/_rerank/health/live") as answer:
                assert answer.status == 200
    await running.cleanup()
