"""The Qwen3-Reranker profile: prompt, template, overrides and logits through vLLM give the scores of transformers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from es_rerank.config.settings import Settings
from es_rerank.model import Rule, Scored, ScoreRequest
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank_client.client import Reranker
from es_rerank_lab.parts.engines import Engine
from es_rerank_lab.parts.vllm import ModelServer

from .conftest import Serve
from .endpoint import Endpoint
from .models import PROFILE_OF, Models
from .tiny_qwen3 import reference
from .wire import fill

INDEX = "bread"
DEFAULT = PROFILES[PROFILE_OF["qwen3"]].instruction or ""
CUSTOM = '给定一个问题，找出 recipes that answer it: "quoted" & {{ braces }}'
TOLERANCE = 1e-3
QUERIES = ("how is bread baked", "面包 怎么 bread 烤")
DOCUMENTS = {
    "en": "Bread is baked at 220 degrees until its crust is golden.",
    "zh": "面包要在二百二十度的烤箱里烤到金黄色。bread",
    "mixed": "The word for bread in Chinese is 面包; nobody\nbakes it\n\nin a tap.",
    "markup": "bread & {{ butter }} {% raw %} 'single' \"double\"",
    "long": "Bread, bread and more bread. " * 12,
}


@pytest.fixture
def start(opensearch: Engine, serve: Serve, models: Models, qwen3: ModelServer) -> Callable[..., Endpoint]:
    """Start an endpoint with more flags in front of an index with the documents."""
    documents = {name: {"body": text} for name, text in DOCUMENTS.items()}
    fill(opensearch.url, INDEX, {"properties": {"body": {"type": "text"}}}, documents)
    return partial(serve, opensearch.url, *models.flags("qwen3"))


@pytest.mark.parametrize("instruction", [None, CUSTOM], ids=["default", "custom"])
@pytest.mark.parametrize("query", QUERIES)
def test_scores_equal_the_reference(
    query: str, instruction: str | None, start: Callable[..., Endpoint], models: Models
) -> None:
    custom = ["--instruction", instruction] if instruction else []
    endpoint = start("--no-self-test", "--policy", "probability", *custom)
    answer = endpoint.search(INDEX, {"query": {"match": {"body": query}}})
    assert answer.outcome == "reranked; window=5; cached=0; model=Qwen/Qwen3-Reranker-0.6B"
    found = {hit["_id"]: hit["_score"] for hit in answer.hits}
    pairs = [(query, text) for text in DOCUMENTS.values()]
    expected = dict(zip(DOCUMENTS, reference(models.weights("qwen3"), pairs, instruction or DEFAULT), strict=True))
    assert max(expected.values()) - min(expected.values()) > 0.1
    assert found == pytest.approx(expected, abs=TOLERANCE)
    assert list(found) == sorted(found, key=lambda name: -expected[name])


@asynccontextmanager
async def reranker(server: ModelServer, folder: Path, backend: str) -> AsyncIterator[Reranker]:
    settings = Settings(reranker=server.url, backend=backend, tokenizer=str(folder), self_test=False)
    found = Reranker(settings)
    try:
        yield found
    finally:
        await found.close()


async def test_both_calls_of_vllm_give_equal_scores(models: Models, qwen3: ModelServer) -> None:
    ask = ScoreRequest(QUERIES[0], [*DOCUMENTS.values(), None], Rule("all"), time.monotonic() + 60.0)
    scores = []
    for backend in ("vllm", "vllm-rerank"):
        async with reranker(qwen3, models.weights("qwen3"), backend) as client:
            found = await client.score(ask)
            assert isinstance(found, Scored), found
            scores.append(found.probabilities)
    assert scores[0][-1] is scores[1][-1] is None
    assert scores[0][:-1] == pytest.approx(scores[1][:-1], abs=1e-6)
    expected = reference(models.weights("qwen3"), [(QUERIES[0], text) for text in DOCUMENTS.values()], DEFAULT)
    assert scores[0][:-1] == pytest.approx(expected, abs=TOLERANCE)


def test_a_model_that_fails_the_self_test_reranks_nothing(start: Callable[..., Endpoint]) -> None:
    endpoint = start()
    health = endpoint.await_health("degraded")
    assert health["why"].startswith("self_test: ")
    assert "known pairs" in health["why"]
    search = {"query": {"match": {"body": "bread"}}}
    answer = endpoint.search(INDEX, search)
    assert answer.outcome == "failed; why=self_test"
    direct = endpoint.ask("POST", f"/{INDEX}/_search", search, {"X-Rerank-Mode": "off"})
    assert answer.hits == direct.hits
    assert "es_rerank_degraded 1.0" in endpoint.page("GET", "/metrics").body.decode()
