"""A bi-encoder is scored from vectors of vLLM: the scores of vLLM's own `/score`, for a fraction of the work."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from es_rerank.config.settings import Settings
from es_rerank.rerank.profiles import PROFILES
from es_rerank_lab.parts.engines import Engine
from es_rerank_lab.parts.vllm import ModelServer

from .articles import articles
from .conftest import Serve
from .endpoint import Endpoint
from .metrics import await_vectors, texts_read, tokens_read
from .models import PROFILE_OF, Models
from .test_e5 import LANGUAGES, MAPPINGS, match
from .wire import ask, fill

INDEX, WINDOW, TRIES = "articles", 50, 3
TEXTS = [text for _, texts in LANGUAGES.values() for text in texts.values()]


@pytest.fixture(scope="session")
def filled(opensearch: Engine) -> Engine:
    """OpenSearch with as many articles as the window has hits."""
    fill(opensearch.url, INDEX, MAPPINGS, articles(WINDOW))
    return opensearch


def by_server(server: ModelServer, name: str, query: str, texts: Sequence[str]) -> list[float]:
    """Return the scores that vLLM computes itself."""
    profile = PROFILES[PROFILE_OF[name]]
    body = {
        "model": profile.model,
        "text_1": profile.query + query,
        "text_2": [profile.document + text for text in texts],
    }
    rows = ask(server.url, "POST", "/score", body).json["data"]
    return [row["score"] for row in sorted(rows, key=lambda row: row["index"])]


def by_endpoint(endpoint: Endpoint, name: str, query: str, texts: Sequence[str]) -> list[float]:
    """Return the cosines that became the endpoint's probabilities."""
    profile = PROFILES[PROFILE_OF[name]]
    results = endpoint.page("POST", "/rank", {"query": query, "candidates": texts}).json["results"]
    found = {row["index"]: row["score"] for row in results}
    return [profile.center + math.log(found[at] / (1 - found[at])) / profile.slope for at in range(len(texts))]


def assert_scores_are_those_of(server: ModelServer, name: str, start: Callable[..., Endpoint]) -> None:
    """Compare the scores, with vectors rounded for the cache and not rounded, and of new and of cached vectors."""
    # With a window of its own, the endpoint is shared with no other test, which may count cached documents.
    for flags, error in ((("--window", "49"), 1e-3), (("--vector-cache-bytes", "0"), 1e-6)):
        endpoint = start(*flags)
        endpoint.await_health("ok")
        for query, _ in LANGUAGES.values():
            expected = by_server(server, name, query, TEXTS)
            for _ in ("new", "cached"):
                assert by_endpoint(endpoint, name, query, TEXTS) == pytest.approx(expected, abs=error)


def test_scores_of_e5_are_those_of_the_server(
    opensearch: Engine, serve: Serve, models: Models, e5: ModelServer
) -> None:
    assert_scores_are_those_of(e5, "e5", partial(serve, opensearch.url, *models.flags("e5")))


def test_scores_of_minilm_are_those_of_the_server(
    opensearch: Engine, serve: Serve, models: Models, minilm: ModelServer
) -> None:
    assert_scores_are_those_of(minilm, "minilm", partial(serve, opensearch.url, *models.flags("minilm")))


def read(endpoint: Endpoint, text: str) -> tuple[str, str, str]:
    """Search the articles; return the state, the number of reranked hits and that of cached ones."""
    state, *members = endpoint.search(INDEX, match(text)).outcome.split("; ")
    values = dict(member.split("=", 1) for member in members)
    return state, values.get("window", values.get("why", "")), values.get("cached", "")


def test_a_new_query_over_known_documents_sends_one_text(
    filled: Engine, serve: Serve, models: Models, e5: ModelServer
) -> None:
    endpoint = serve(filled.url, *models.flags("e5"), "--window", f"{WINDOW}")
    endpoint.await_health("ok")
    before = tokens_read(e5)
    assert read(endpoint, "an article")[:2] == ("reranked", str(WINDOW))
    assert await_vectors(endpoint) > 0
    cold, texts = tokens_read(e5) - before, texts_read(e5)
    assert read(endpoint, "which article is about a bridge") == ("reranked", str(WINDOW), str(WINDOW))
    assert texts_read(e5) == texts + 1
    assert tokens_read(e5) - before - cold < 0.05 * cold
    assert read(endpoint, "which article is about a bridge") == ("reranked", str(WINDOW), str(WINDOW))
    assert texts_read(e5) == texts + 1, "the vector of the query is cached, too"


def deadline_s(server: ModelServer) -> float:
    """Return the default deadline, or more if this machine has so much other work that two articles take longer."""
    profile = PROFILES["e5"]
    passages = [profile.document + one["body"][:1000] for one in articles(6, seed=2).values()]
    started_at = time.monotonic()
    ask(server.url, "POST", "/v1/embeddings", {"model": profile.model, "input": passages})
    return max(Settings.model_fields["deadline"].default, 2 * (time.monotonic() - started_at))


def test_at_a_cold_start_no_search_is_lost_and_the_third_is_whole(
    filled: Engine, serve: Serve, models: Models, e5: ModelServer
) -> None:
    endpoint = serve(filled.url, *models.flags("e5"), "--deadline", f"{deadline_s(e5):.1f}s")
    endpoint.await_health("ok")
    windows = []
    for _ in range(TRIES):
        state, window, _cached = read(endpoint, "an article about a volcano")
        assert state == "reranked", window
        windows.append(int(window))
        # The rest of the vectors is computed after the answer. How long that takes depends on the machine.
        await_vectors(endpoint)
    assert windows == sorted(windows)
    assert windows[0] >= 2
    assert windows[-1] == WINDOW
