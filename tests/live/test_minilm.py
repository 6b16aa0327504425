"""Reranking with all-MiniLM-L6-v2, an English model."""

from __future__ import annotations

from es_rerank_lab.parts.engines import Engine
from es_rerank_lab.parts.vllm import ModelServer

from .conftest import Serve
from .endpoint import WELL
from .models import Models
from .test_e5 import LANGUAGES, MAPPINGS, MODEL_ORDER, match
from .wire import fill


def test_the_self_test_passes_and_the_answer_is_first(
    opensearch: Engine, serve: Serve, models: Models, minilm: ModelServer
) -> None:
    query, texts = LANGUAGES["en"]
    fill(opensearch.url, "minilm", MAPPINGS, {name: {"body": text} for name, text in texts.items()})
    endpoint = serve(opensearch.url, *models.flags("minilm"), *MODEL_ORDER)
    assert endpoint.await_health("ok") == WELL
    answer = endpoint.search("minilm", match(query))
    assert answer.outcome == "reranked; window=3; cached=0; model=sentence-transformers/all-MiniLM-L6-v2"
    assert answer.ids[0] == "answer"
    assert endpoint.search("minilm", match(query)).outcome.startswith("reranked; window=3; cached=3; ")
