"""What creates something in the engine is sent once, even if the engine closes the connection without a response."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from es_rerank.testing import FakeResponse
from tests.server.handlers.engine import HOSE, running

SCROLLED = "/docs/_search?scroll=1m"


async def sends(method: str, target: str, body: object = None, **settings: str) -> Counter[str]:
    """Count the requests that reach an engine that closes each connection without a response."""

    def stop(_seen: object) -> FakeResponse:
        raise asyncio.CancelledError  # the fake's server then closes the connection

    says = {"/docs/_search": stop, "/docs/_async_search": stop, "/_plugins/_asyn": stop, "/docs/_pit": stop}
    says |= {"/_search/scroll": stop, "/_pit": stop}
    opensearch = FakeResponse(b'{"version":{"distribution":"opensearch","number":"3.0.0"}}')
    async with running({**says, "/?": opensearch}, **settings) as (proxy, engine, _):
        got = await proxy.send(method, target, body)
        assert got.status == 502
    return Counter(engine.targets())


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/docs/_async_search", HOSE),
        ("POST", "/docs/_async_search", {**HOSE, "sort": "year"}),
        ("POST", "/_plugins/_asynchronous_search?index=docs", HOSE),
        ("POST", SCROLLED, HOSE),
        ("GET", SCROLLED, HOSE),
        ("GET", "/_search/scroll?scroll_id=1", None),
        ("POST", "/docs/_pit?keep_alive=1m", None),
        ("DELETE", "/_pit", {"id": "1"}),
    ],
)
@pytest.mark.parametrize("emulate", ["engine", "elasticsearch-8"])
async def test_what_creates_or_advances_something_is_sent_once(
    method: str, target: str, body: object, emulate: str
) -> None:
    assert set((await sends(method, target, body, emulate=emulate)).values()) == {1}


async def test_a_search_is_sent_again() -> None:
    assert set((await sends("POST", "/docs/_search", {**HOSE, "sort": "year"})).values()) == {2}
