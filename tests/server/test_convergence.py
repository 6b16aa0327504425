"""Searches with a rerank server that needs several deadlines for one window: each search gets further."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import pytest

from es_rerank.testing import (
    CAPS,
    FakeResponse,
    FakeServer,
    ReceivedRequest,
    fake_settings,
    running_endpoint,
    score_response,
    search_response,
    serve_fake,
    until,
)
from tests.rerank_client.test_server import RIGHT

TOKENS_PER_SECOND = 800
CHARACTERS_PER_TOKEN = 4
HITS = 10
# 160 tokens each: the window takes two seconds, and a search has one and a half.
TEXT = "A hose for the garden, of rubber or of fabric. " * 14


class SlowServer:
    """A rerank server that processes 800 tokens per second, one request after the other."""

    def __init__(self) -> None:
        self.free_at = 0.0

    def answer(self, seen: ReceivedRequest) -> FakeResponse:
        now = time.monotonic()
        texts = seen.json["text_2"]
        work = (len(seen.json["text_1"]) * len(texts) + sum(map(len, texts))) / CHARACTERS_PER_TOKEN / TOKENS_PER_SECOND
        self.free_at = max(self.free_at, now) + work
        known = score_response({f"number {at} ": float(at) for at in range(HITS)}, default=-3.0)
        scored = RIGHT(seen) if "number" not in "".join(texts) else known(seen)
        return replace(scored, seconds=self.free_at - now)


def window(outcome: str) -> int:
    """Return the number of hits that were reranked."""
    state, *fields = outcome.split("; ")
    assert state == "reranked", outcome
    return int(dict(field.split("=") for field in fields)["window"])


@pytest.mark.parametrize("self_test", [True, False])
async def test_the_first_search_is_reranked_in_part_and_repeated_ones_become_whole(self_test: bool) -> None:
    hits = [(f"d{at}", 20.0 - at, f"number {at} {TEXT}") for at in range(HITS)]
    caps = FakeResponse(json.dumps(CAPS).encode())
    engine = FakeServer({"/docs/_field_caps": caps, "": FakeResponse(search_response(*hits))})
    slow = SlowServer()
    async with (
        serve_fake(engine),
        serve_fake(FakeServer({"": slow.answer})) as reranker,
        running_endpoint(fake_settings(engine, reranker, window=HITS, self_test=self_test, deadline="1.5s")) as proxy,
    ):
        if self_test:
            await until(lambda: len(reranker.seen) >= 4)
            while (await proxy.pages.send("GET", "/_rerank/health/ready")).json["reranker"] != "ok":  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        windows = []
        for _ in range(5):
            started = time.monotonic()
            reply = await proxy.search(size=HITS)
            windows.append(window(reply.headers["X-Rerank"]))
            print(f"{time.monotonic() - started:.2f} s: {reply.headers['X-Rerank']}")  # noqa: T201
            if windows[-1] == HITS:
                break
        other = await proxy.search("rubber hose", size=HITS)
    assert windows[0] >= 2
    assert windows == sorted(windows)
    assert windows[-1] == HITS
    assert reply.ids == [f"d{at}" for at in reversed(range(HITS))]
    assert 2 <= window(other.headers["X-Rerank"]) <= HITS
