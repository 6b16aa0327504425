"""Rerankers in front of a fake server or scripted answers."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from structlog.testing import capture_logs

from es_rerank.model import Failed, Rule, ScoreRequest
from es_rerank.rerank.backends import RerankCall
from es_rerank.rerank_client import client
from es_rerank.rerank_client.client import Reranker
from es_rerank.testing import (
    FakeServer,
    fake_settings,
    score_response,
    serve_fake,
)

RULE = Rule("docs")


BY_TEXT = {"mend": 2.0, "hose": 1.0, "opening": -3.0}


def ask(*documents: str | None, query: str = "leaking hose", seconds: float = 5.0, **rule: Any) -> ScoreRequest:
    return ScoreRequest(query, documents, replace(RULE, **rule), client.time.monotonic() + seconds)


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


@asynccontextmanager
async def reranking(response: Any = None, **more: Any) -> AsyncIterator[tuple[Reranker, FakeServer]]:
    async with serve_fake(FakeServer({"/score": response or score_response(BY_TEXT)})) as server:
        reranker = Reranker(fake_settings(reranker=server, **more))
        with capture_logs():
            try:
                yield reranker, server
            finally:
                await reranker.close()


def sent(server: FakeServer) -> list[list[str]]:
    return [seen.json["text_2"] for seen in server.seen]


Answers = Callable[[int, Sequence[str]], list[float] | Failed]


def scripted(reranker: Reranker, answers: Answers) -> list[list[str]]:
    """Answer each request without a network, by its number and texts; return the texts of all requests."""
    requests: list[list[str]] = []

    async def ask(call: RerankCall, _deadline: float) -> list[float] | Failed:
        number = len(requests)
        requests.append(list(call.texts))
        await asyncio.sleep(0)
        return answers(number, call.texts)

    for one in reranker._pool.servers:
        one._transport.ask = ask  # type: ignore[method-assign]
    return requests
