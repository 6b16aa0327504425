from __future__ import annotations

from typing import Any

import pytest

from es_rerank.testing import FakeServer, fake_settings, running_endpoint, score_response, serve_fake
from tests.server.admin.test_pages import running


async def test_candidates_are_returned_best_first() -> None:
    async with running() as (proxy, _):
        got = await proxy.pages.send(
            "POST", "/_rerank/rank", {"query": "q", "candidates": ["a", "", "a hose", "mend", "b"]}
        )
    assert got.status == 200
    assert [(row["index"], row["text"]) for row in got.json["results"]] == [
        (3, "mend"),
        (2, "a hose"),
        (0, "a"),
        (4, "b"),
        (1, ""),
    ]
    assert got.json["model"] == "BAAI/bge-reranker-v2-m3"
    assert all(0 <= row["score"] <= 1 for row in got.json["results"])


async def test_the_largest_rank_request_is_accepted() -> None:
    async with running() as (proxy, _):
        body = {"query": "q" * 10_000, "candidates": ["a" * 100_000, *["b"] * 999]}
        reply = await proxy.pages.send("POST", "/_rerank/rank", body)
    assert (reply.status, len(reply.json["results"])) == (200, 1000)


async def test_the_answer_says_how_much_the_model_read_of_each_candidate() -> None:
    long = "a garden hose " * 2000
    async with running() as (proxy, _):
        got = await proxy.pages.send("POST", "/_rerank/rank", {"query": "q", "candidates": ["mend", long, ""]})
    rows = {row["index"]: (row["passages"], row["tokens"], row["truncated"]) for row in got.json["results"]}
    assert rows[0] == (1, 2, False)
    passages, tokens, truncated = rows[1]
    # The context of the model is eight times a passage, so that it reads all passages of a long text.
    assert (passages, truncated) == (8, False)
    assert 7 * 900 < tokens <= 8 * 1024
    assert rows[2] == (0, 0, False)


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({}, "web search"),
        ({"instruction": "Find the oldest."}, "Find the oldest."),
        ({"instruction": ""}, "web search"),
    ],
)
async def test_the_instruction_reaches_the_model(body: dict[str, Any], sent: str) -> None:
    async with (
        serve_fake(FakeServer({"": score_response()})) as server,
        running_endpoint(fake_settings(reranker=server, profile="qwen3-reranker-0.6b")) as proxy,
    ):
        got = await proxy.pages.send("POST", "/_rerank/rank", {"query": "q", "candidates": ["a"], **body})
    assert got.status == 200
    assert sent in server.seen[0].body.decode()


async def test_scores_without_a_server_have_no_passages() -> None:
    async with running_endpoint(fake_settings(backend="identity")) as proxy:
        got = await proxy.pages.send("POST", "/_rerank/rank", {"query": "q", "candidates": ["a", "b"]})
    assert [(row["index"], row["tokens"]) for row in got.json["results"]] == [(0, 0), (1, 0)]
