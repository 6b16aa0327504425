from __future__ import annotations

import json
import time

import pytest

from es_rerank.model import Failed, Why
from es_rerank.rerank.backends import BACKENDS, Question
from es_rerank.rerank_client.asker import Asker, cap
from es_rerank.rerank_client.transport import Transport
from es_rerank.testing import FakeResponse, FakeServer, ReceivedRequest, fake_settings, serve_fake

TEXTS = [f"text {at}" for at in range(7)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ('{"error":"batch size 33 > maximum allowed batch size 32","error_type":"Validation"}', 32),
        ("max_client_batch_size: 16", 16),
        ("Maximum batch size is 64, got 100", 64),
        ("at most 1000 documents can be reranked", 1000),
        ("input length 9000 is too long", None),
        ("", None),
    ],
)
def test_cap(words: str, expected: int | None) -> None:
    assert cap(words) == expected


def limited(most: int, length: int = 1000) -> FakeServer:
    """A server that takes so many texts, each of so many characters."""

    def score(seen: ReceivedRequest) -> FakeResponse:
        texts = seen.json["texts"]
        if len(texts) > most:
            words = f"batch size {len(texts)} > maximum allowed batch size {most}"
            return FakeResponse(json.dumps({"error": words, "error_type": "Validation"}).encode(), status=422)
        if any(len(text) > length for text in texts):
            return FakeResponse(b'{"error":"input_tokens: too long","error_type":"Validation"}', status=413)
        return FakeResponse(
            json.dumps([{"index": at, "score": float(text[-1])} for at, text in enumerate(texts)]).encode()
        )

    return FakeServer({"": score})


async def asked(server: FakeServer, texts: list[str]) -> tuple[list[float] | Failed, int, list[int]]:
    async with serve_fake(server):
        chosen = fake_settings(reranker=server, backend="tei")
        wire = Transport(chosen, chosen.reranker[0], BACKENDS["tei"])
        asker = Asker(wire, 100)
        found = await asker.ask(Question("query", texts, "model"), time.monotonic() + 5.0)
        await wire.close()
        return found, asker.most, [len(seen.json["texts"]) for seen in server.seen]


async def test_a_batch_that_is_too_large_is_asked_for_in_parts_and_the_cap_is_kept() -> None:
    assert await asked(limited(3), TEXTS) == ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, [7, 3, 3, 1])


async def test_a_batch_that_fits_is_asked_for_at_once() -> None:
    assert await asked(limited(7), TEXTS) == ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 100, [7])


async def test_a_fault_of_a_part_is_a_fault_of_all() -> None:
    found, _, sizes = await asked(limited(3, length=8), [*TEXTS[:4], "much longer 4", *TEXTS[5:]])
    assert isinstance(found, Failed)
    assert (found.why, sizes) == (Why.TOO_LONG, [7, 3, 3])


async def test_texts_that_are_too_long_are_asked_for_once_more_at_half_their_length() -> None:
    assert await asked(limited(9, length=8), ["12345678912"]) == ([5.0], 100, [1, 1])
    found, _, sizes = await asked(limited(9, length=8), ["1" * 20])
    assert isinstance(found, Failed)
    assert sizes == [1, 1]
