"""Each family of models that vLLM's CPU build has: the scores through vLLM are those of transformers.

Qwen3-Reranker, e5 and MiniLM have tests of their own. gte-multilingual-reranker and jina-reranker-v2 need code of their
authors, which is not installed here.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from es_rerank.config.settings import Settings
from es_rerank.model import Rule, Scored, ScoreRequest
from es_rerank.rerank.profiles import PROFILES, server_flags
from es_rerank.rerank.prompt import probabilities
from es_rerank.rerank_client.client import Reranker
from es_rerank_lab.parts.vllm import start_vllm

from .models import Models
from .ports import free_ports
from .tiny_models import CONTEXT, FAMILIES, Family, reference, tiny_model
from .watch import watch

QUERY = "how is bread baked, 面包?"
DOCUMENTS = (
    "Bread is baked at 220 degrees until its crust is golden.",
    "面包要在二百二十度的烤箱里烤到金黄色。",
    "query: document: A: B: 'Yes' \"No\" {{ braces }} & {% raw %}\nin two lines",
    "A tap.",
)


async def scored(settings: Settings) -> Scored:
    client = Reranker(settings)
    try:
        found = await client.score(ScoreRequest(QUERY, DOCUMENTS, Rule("all"), time.monotonic() + 120.0))
    finally:
        await client.close()
    assert isinstance(found, Scored), found
    return found


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.profile)
def test_scores_equal_the_reference(family: Family, models: Models, tmp_path: Path) -> None:
    models.stop()
    folder = tiny_model(family, tmp_path / "model")
    profile = PROFILES[family.profile]
    (port,) = free_ports(1)
    argv = [*server_flags(profile, str(folder)), "--dtype", "float32", "--enforce-eager"]
    server = start_vllm([*argv, "--max-model-len", str(CONTEXT)], port=port, log=tmp_path / "vllm.log")
    watch(f"vLLM with {family.profile}", server.process)
    try:
        tokenizer = str(folder)
        given = Settings(reranker=server.url, profile=family.profile, tokenizer=tokenizer, self_test=False)
        found = asyncio.run(scored(given)).probabilities
    finally:
        server.stop()
    raw = reference(family, QUERY, DOCUMENTS)
    assert max(raw) - min(raw) > 0.05
    assert found == pytest.approx(probabilities(profile, raw, raw=True), abs=2e-3)
