from __future__ import annotations

import json

import pytest

from es_rerank.model import Failed, Why
from es_rerank.rerank.backends import BACKENDS, Question
from es_rerank.rerank.wire import Wire
from tests.fakes import Fake, Said, serving, settings

QUESTION = Question("leaking hose", ["a", "b"], "some/model")
GOOD = Said(json.dumps({"data": [{"index": 0, "score": 1.5}, {"index": 1, "score": -2}]}).encode())


async def asked(said: Said | None, seconds: float = 5.0, **more: str) -> tuple[list[float] | Failed, Fake]:
    async with serving(Fake({"/": said or GOOD})) as server:
        chosen = settings(reranker=server if said else None, **more)
        wire = Wire(chosen, chosen.reranker[0], BACKENDS["vllm"])
        try:
            return await wire.ask(QUESTION, seconds), server
        finally:
            await wire.close()


async def test_one_request_one_answer() -> None:
    found, server = await asked(GOOD)
    assert found == [1.5, -2.0]
    seen = server.seen[0]
    assert (seen.method, seen.target, seen.headers["Content-Type"]) == ("POST", "/score", "application/json")
    assert seen.json["text_2"] == ["a", "b"]
    assert "Authorization" not in seen.headers


async def test_a_key_is_sent_as_a_bearer_token() -> None:
    _, server = await asked(GOOD, reranker_api_key="s3cret")
    assert server.seen[0].headers["Authorization"] == "Bearer s3cret"


async def test_an_answer_in_pieces_is_one_answer() -> None:
    assert isinstance(GOOD.body, bytes)
    found, _ = await asked(Said([GOOD.body[:7], GOOD.body[7:]]))
    assert found == [1.5, -2.0]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (None, Why.UNREACHABLE),
        (Said(GOOD.body, seconds=0.3), Why.DEADLINE),
        (Said(b"", cut_off=True), Why.BAD_ANSWER),
        (Said(b""), Why.BAD_ANSWER),
        (Said(b"<html>"), Why.BAD_ANSWER),
        (Said(b"\xff"), Why.BAD_ANSWER),
        (Said(b"[" * 100_000), Why.BAD_ANSWER),
        (Said(b'{"data":[]}'), Why.BAD_ANSWER),
        (Said(b'{"data":[{"index":0,"score":1},{"index":1,"score":NaN}]}'), Why.BAD_ANSWER),
        (Said(b'{"data":[{"index":0,"score":1},{"index":1,"score":1' + b"0" * 400 + b"}]}"), Why.BAD_ANSWER),
        (Said(GOOD.body, headers=[("Content-Encoding", "gzip")]), Why.BAD_ANSWER),
        (Said(b"", status=302, headers=[("Location", "/")]), Why.REFUSED),
        (Said(b'{"message":"maximum context length is 8192"}', status=400), Why.TOO_LONG),
        (Said(b"too long", status=413), Why.TOO_LONG),
        (Said(b"no such model", status=404), Why.REFUSED),
        (Said(b"unprocessable", status=422), Why.REFUSED),
        (Said(b"busy", status=429), Why.OVERLOADED),
        (Said(b"out of memory", status=500), Why.RERANKER_ERROR),
        (Said(b"starting", status=503), Why.RERANKER_ERROR),
    ],
)
async def test_every_fault_is_a_value(said: Said | None, why: Why) -> None:
    found, _ = await asked(said, seconds=0.1 if why is Why.DEADLINE else 5.0)
    assert isinstance(found, Failed)
    assert found.why is why
