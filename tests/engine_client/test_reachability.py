from __future__ import annotations

import asyncio

import pytest

from es_rerank.engine_client import reachability
from es_rerank.engine_client.client import EngineClient
from es_rerank.engine_client.reachability import EngineReachability
from es_rerank.testing import FakeResponse, FakeServer, fake_settings, serve_fake


async def test_concurrent_callers_share_one_request_and_its_result_is_used_again() -> None:
    async with serve_fake(FakeServer({"": FakeResponse(b"")})) as engine:
        client = EngineClient(fake_settings(engine))
        check = EngineReachability(client)
        assert await asyncio.gather(*(check.problem() for _ in range(5))) == [""] * 5
        assert await check.problem() == ""
        await client.close()
    assert len(engine.seen) == 1


async def test_a_result_is_used_for_a_second_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "_FRESH_SECONDS", 0.0)
    async with serve_fake(FakeServer({"": FakeResponse(b"")})) as engine:
        client = EngineClient(fake_settings(engine, upstream_api_key="ours"))
        check = EngineReachability(client)
        assert [await check.problem(), await check.problem()] == ["", ""]
        await client.close()
    assert [seen.headers["Authorization"] for seen in engine.seen] == ["ApiKey ours"] * 2


async def test_a_caller_that_disconnects_does_not_cancel_the_check_of_others() -> None:
    async with serve_fake(FakeServer({"": FakeResponse(b"", seconds=0.05)})) as engine:
        client = EngineClient(fake_settings(engine))
        check = EngineReachability(client)
        first, second = asyncio.create_task(check.problem()), asyncio.create_task(check.problem())
        await engine.reached(1)
        first.cancel()
        assert await second == ""
        await client.close()
