"""Rerankers with a bi-encoder in front of a fake server of vectors. Vectors have two dimensions."""

from __future__ import annotations

import json
import math
import struct
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from structlog.testing import capture_logs

from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank_client.client import Reranker
from es_rerank.testing import FakeResponse, FakeServer, ReceivedRequest, fake_settings, serve_fake

E5 = PROFILES["e5"]
COSINES = {"mend": 0.9, "hose": 0.8, "opening": 0.6}
KNOWN = {"tap usually": 0.9, "Canberra": 0.9, "zehn Minuten": 0.9, "省电模式": 0.9}


def probability(cosine: float) -> float:
    return 1 / (1 + math.exp(-E5.slope * (cosine - E5.center)))


def direction(text: str, by_text: Mapping[str, float], default: float) -> tuple[float, float]:
    """Return the unit vector of a text; that of a query is (1, 0), so its cosine with a passage is the first value."""
    cosine = next((value for key, value in by_text.items() if key in text), default)
    return (1.0, 0.0) if text.startswith(E5.query) else (cosine, math.sqrt(1 - cosine * cosine))


def embedding(
    by_text: Mapping[str, float] | None = None, default: float = 0.7, *, values: int = 2, seconds: float = 0.0
) -> Callable[[ReceivedRequest], FakeResponse]:
    """Return a responder for `/v1/embeddings`: each passage has the cosine of the first key in it, or *default*.

    Args:
        by_text: The cosines.
        default: The cosine of all other passages.
        values: Number of values of a vector; those after the second are 0.
        seconds: Delay of the response.

    """

    def answer(received: ReceivedRequest) -> FakeResponse:
        rows = []
        for index, text in enumerate(received.json["input"]):
            vector = [*direction(text, by_text or {}, default), *[0.0] * values][:values]
            rows.append({"index": index, "embedding": b64encode(struct.pack(f"<{values}f", *vector)).decode()})
        return FakeResponse(json.dumps({"data": rows}).encode(), seconds=seconds)

    return answer


@asynccontextmanager
async def embedding_reranker(response: Any = None, **more: Any) -> AsyncIterator[tuple[Reranker, FakeServer]]:
    async with serve_fake(FakeServer({"/v1/embeddings": response or embedding(COSINES)})) as server:
        reranker = Reranker(fake_settings(reranker=server, profile="e5", **more))
        with capture_logs():
            try:
                yield reranker, server
            finally:
                await reranker.close()


def sent(server: FakeServer) -> list[list[str]]:
    return [seen.json["input"] for seen in server.seen]


def passages(server: FakeServer) -> list[str]:
    """Return all passages that a server was sent, in order, without their prefixes."""
    texts = [text for one in sent(server) for text in one]
    return [text.removeprefix(E5.document) for text in texts if text.startswith(E5.document)]


def queries(server: FakeServer) -> list[Sequence[str]]:
    return [texts for texts in sent(server) if texts[0].startswith(E5.query)]
