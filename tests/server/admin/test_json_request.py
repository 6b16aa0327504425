from __future__ import annotations

from typing import Any

import pytest

from es_rerank.testing import FakeServer, fake_settings, running_endpoint, score_response, serve_fake
from tests.server.admin.test_pages import running

JSON = [("Content-Type", "application/json")]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "body: "),
        (b"[]", "body: "),
        ({}, "query: this key is required"),
        ({"query": "", "candidates": ["a"]}, "query: "),
        ({"query": "q", "candidates": []}, "candidates: "),
        ({"query": "q", "candidates": ["a", 3]}, "candidates.1: "),
        ({"query": "q", "candidates": ["a"], "model": "x"}, "model: "),
        ({"query": "q" * 10_001, "candidates": ["a"]}, "query: "),
        ({"query": "q", "candidates": ["a" * 100_001]}, "candidates.0: "),
        ({"query": "q", "candidates": ["a"] * 1001}, "candidates: "),
        (b'{"query":"\\ud800","candidates":["a"]}', ": "),
    ],
)
async def test_invalid_rank_requests_get_an_error_in_the_engines_format(body: Any, words: str) -> None:
    async with running() as (proxy, server):
        got = await proxy.pages.send("POST", "/_rerank/rank", body, JSON)
    assert (got.status, got.json["error"]["type"]) == (400, "illegal_argument_exception")
    assert words in got.json["error"]["reason"]
    assert server.seen == []


@pytest.mark.parametrize("path", ["/_rerank/rank", "/_rerank/explain"])
@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "text/plain; application/json"]
)
async def test_only_json_is_accepted_because_browsers_send_other_types_cross_origin(
    kind: str | None, path: str
) -> None:
    body = b'{"query":"q","candidates":["a"]}'
    async with running() as (proxy, server):
        got = await proxy.pages.send("POST", path, body, [("Content-Type", kind)] if kind else [])
        asked = await proxy.pages.send("OPTIONS", path, None, [("Origin", "http://evil.example")])
    assert (got.status, got.json["error"]["type"]) == (415, "media_type_header_exception")
    assert server.seen == []
    assert asked.status == 405
    assert [name for name in asked.headers if name.lower().startswith("access-control")] == []


async def test_a_body_above_the_limit_is_rejected() -> None:
    async with (
        serve_fake(FakeServer({"": score_response()})) as server,
        running_endpoint(fake_settings(reranker=server, max_body=2048)) as proxy,
    ):
        got = await proxy.pages.send("POST", "/_rerank/rank", b"x" * 5000, JSON)
    assert got.status == 413
    assert got.json["status"] == 413
