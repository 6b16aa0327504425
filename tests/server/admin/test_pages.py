from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from es_rerank.model import Why
from es_rerank.reasons import REASONS
from es_rerank.server.admin.pages import PAGES
from es_rerank.server.app import runner
from es_rerank.server.listen.site import listen
from es_rerank.server.listen.sockets import Sockets, bind
from es_rerank.server.state import STATE
from es_rerank.testing import (
    FakeResponse,
    FakeServer,
    RunningEndpoint,
    fake_settings,
    running_endpoint,
    score_response,
    serve_fake,
)
from tests.server.handlers.engine import running as engine

MODEL = {"mend": 2.0, "hose": 1.0}
JSON = [("Content-Type", "application/json")]


@asynccontextmanager
async def running(model: Any = None) -> AsyncIterator[tuple[RunningEndpoint, FakeServer]]:
    """Run an endpoint in front of an engine that has no index; yields the rerank server too."""
    async with (
        serve_fake(FakeServer({"": model or score_response(MODEL)})) as server,
        serve_fake(FakeServer({"": FakeResponse(b"{}", status=404)})) as nothing,
        running_endpoint(fake_settings(nothing, server)) as proxy,
    ):
        yield proxy, server


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/_rerank", 200, "text/html"),
        ("GET", "/_rerank/", 200, "text/html"),
        ("HEAD", "/_rerank/", 200, "text/html"),
        ("GET", "/_rerank/health/live", 200, "application/json"),
        ("GET", "/_rerank/health/ready", 200, "application/json"),
        ("GET", "/_rerank/metrics", 200, "text/plain"),
        ("GET", "/_rerank/fields", 200, "application/json"),
        ("GET", "/_rerank/status", 200, "application/json"),
        ("GET", "/_rerank/indices", 200, "application/json"),
        ("GET", "/_rerank/explain", 405, "application/json"),
        ("GET", "/_rerank/rank", 405, "application/json"),
        ("POST", "/_rerank/", 405, "application/json"),
        ("GET", "/_rerank/nothing", 404, "application/json"),
        ("PUT", "/_rerank/../docs", 404, "application/json"),
    ],
)
async def test_every_page_has_its_methods_and_content_type(method: str, path: str, status: int, kind: str) -> None:
    async with running() as (proxy, _):
        got = await proxy.pages.send(method, path)
    assert (got.status, got.headers["Content-Type"].partition(";")[0]) == (status, kind)
    if status >= 400:
        assert got.json["status"] == status
    assert ("Allow" in got.headers) is (status == 405)


def test_every_page_is_in_the_table() -> None:
    assert set(PAGES) == {
        *("/", "/rank", "/explain", "/indices", "/status", "/fields", "/health/live", "/health/ready", "/metrics")
    }


async def test_the_fields_that_the_model_read_are_listed() -> None:
    async with engine() as (proxy, _, _):
        await proxy.search()
        got = await proxy.pages.send("GET", "/_rerank/fields")
    assert got.json == {"choices": [{"path": "/docs/_search", "fields": ["title", "body"]}]}


async def test_the_web_page_loads_nothing_from_other_hosts() -> None:
    async with running() as (proxy, _):
        got = await proxy.pages.send("GET", "/_rerank/")
    assert "default-src 'none'" in got.headers["Content-Security-Policy"]
    assert re.findall(rb"""(?:src|href)=["']?(?:https?:)?//""", got.body) == []


async def test_a_failed_reranker_is_reported_with_its_meaning_and_what_to_do() -> None:
    async with running(FakeResponse(b"oops", status=500)) as (proxy, _):
        got = await proxy.pages.send("POST", "/_rerank/rank", {"query": "q", "candidates": ["a"]})
        ready = await proxy.pages.send("GET", "/_rerank/health/ready")
        live = await proxy.pages.send("GET", "/_rerank/health/live")
        metrics = await proxy.pages.send("GET", "/_rerank/metrics")
    assert (got.status, got.json["error"]["type"]) == (500, "rerank_exception")
    means, do = REASONS[Why.RERANKER_ERROR]
    assert (ready.status, ready.json) == (
        200,
        {
            "status": "degraded",
            "engine": "ok",
            "reranker": "degraded",
            "why": "reranker_error: HTTP 500: oops",
            "means": means,
            "do": do,
        },
    )
    assert live.json == {"status": "live"}
    assert b"es_rerank_degraded 1.0" in metrics.body


async def test_searches_and_passed_through_requests_are_counted() -> None:
    async with running() as (proxy, _):
        await proxy.send("GET", "/docs")
        await proxy.send("POST", "/docs/_search", {"sort": "x"})
        await proxy.search()
        metrics = (await proxy.pages.send("GET", "/_rerank/metrics")).body.decode()
    assert "es_rerank_passthrough_requests_total 1.0" in metrics
    assert 'es_rerank_searches_total{outcome="skipped",why="sort"} 1.0' in metrics
    assert 'es_rerank_searches_total{outcome="skipped",why="mapping"} 1.0' in metrics


async def test_a_draining_endpoint_is_not_ready_and_still_responds() -> None:
    async with serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine:
        chosen = fake_settings(engine)
        running = runner(chosen)
        await running.setup()
        (url,) = (await listen(running, chosen, Sockets((), bind("127.0.0.1:0")))).pages
        running.app[STATE].life.draining = True
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/_rerank/health/ready") as answer:
                assert (answer.status, await answer.json()) == (503, {"status": "draining"})
            async with session.get(f"{url}/_cat/health") as answer:
                assert answer.status == 200
        await running.cleanup()


async def test_the_web_page_has_the_meaning_and_remedy_of_every_reason() -> None:
    async with running() as (proxy, _):
        html = (await proxy.pages.send("GET", "/_rerank/")).body.decode()
    (table,) = re.findall(r"const REASONS = (.*);\n", html)
    assert json.loads(table) == {why: {"means": one.means, "do": one.do} for why, one in REASONS.items()}
    assert "<" not in table
