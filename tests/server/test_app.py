"""The application: it stops in time, and its gauges are current."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank.server import app, ubi_log
from es_rerank.server.state import STATE
from es_rerank.testing import FakeResponse, fake_settings, until
from tests.server.test_dispatch import HITS, running


async def test_a_stopping_endpoint_answers_queued_searches_in_the_engines_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "_GRACE_SECONDS", 20.0)
    monkeypatch.setattr(app, "_RESERVED_SECONDS", 19.9)
    async with running(model=FakeResponse(b"", seconds=60), deadline="30s") as (proxy, _, reranker):
        searching = asyncio.create_task(proxy.search("leaking hose"))
        await reranker.reached(1)
    got = await searching
    assert got.ids == [one for one, _, _ in HITS]
    assert got.headers["X-Rerank"] == "failed; why=deadline"


async def test_a_background_task_that_fails_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example, no thread can be started to write a log while the limit of processes is reached."""
    failures = [RuntimeError("can't start new thread")]
    to_thread = asyncio.to_thread

    async def failing(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return await to_thread(*arguments)

    monkeypatch.setattr(app, "_RESTART_SECONDS", 0.0)
    monkeypatch.setattr(ubi_log, "_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(asyncio, "to_thread", failing)
    path = tmp_path / "shown.jsonl"
    async with running(ubi_log=path) as (proxy, _, _):
        await proxy.search("leaking hose")
        await until(lambda: not failures)
        await proxy.search("leaking hose")
        await until(path.read_text)


async def test_the_gauges_of_the_reranker_are_current_without_any_request() -> None:
    running = app.runner(fake_settings(self_test=True))
    with capture_logs():
        await running.setup()
        metrics = running.app[STATE].metrics
        try:
            async with asyncio.timeout(5):
                while b"es_rerank_degraded 1.0" not in metrics.text():  # noqa: ASYNC110 - a gauge sets no event
                    await asyncio.sleep(0.02)
            assert b"es_rerank_reranker_servers_unavailable 1.0" in metrics.text()
        finally:
            await running.cleanup()
