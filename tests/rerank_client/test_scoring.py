from __future__ import annotations

import subprocess
import sys

import pytest

from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank_client.list_scoring import ListScorer
from es_rerank.rerank_client.scoring import scoring
from es_rerank.rerank_client.vector_scoring import VectorScorer
from es_rerank.rerank_client.window_scoring import WindowScorer
from es_rerank.testing import fake_settings

FROM_VECTORS = {("vllm", "e5"), ("vllm", "minilm")}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_bi_encoders_are_scored_from_vectors_if_the_server_has_them(backend: str, profile: str) -> None:
    api, scorer = scoring(fake_settings(backend=backend, profile=profile))
    if (backend, profile) in FROM_VECTORS:
        assert (scorer, api.path, api.has_vectors) == (VectorScorer, "/v1/embeddings", True)
    else:
        listwise = PROFILES[profile].listwise
        assert (scorer, api) == (ListScorer if listwise else WindowScorer, BACKENDS[backend])


PROGRAM = """
import sys
from es_rerank.config.settings import Settings
from es_rerank.rerank_client.client import Reranker
Reranker(Settings(profile=sys.argv[1]))
print("numpy" in sys.modules)
"""


@pytest.mark.parametrize(("profile", "imported"), [("qwen3-reranker-0.6b", "False"), ("e5", "True")])
def test_numpy_is_imported_only_for_vectors(profile: str, imported: str) -> None:
    found = subprocess.run([sys.executable, "-c", PROGRAM, profile], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == imported
