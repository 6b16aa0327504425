"""Pages are slices of one reranked window followed by the engine's order."""

from __future__ import annotations

from itertools import pairwise

import pytest

from es_rerank_lab.parts.engines import Engine
from es_rerank_lab.parts.vllm import ModelServer

from .conftest import Serve
from .endpoint import Endpoint
from .models import Models
from .wire import ask, fill

INDEX = "places"
WINDOW = 20
COUNT = 60
PAGE = 7
THINGS = ("a stone bridge", "an old mill", "cheese", "a lighthouse", "tax forms", "a ferry", "violins", "wheat")
DOCUMENTS = {
    f"p{at}": {"body": f"Note {at} is about {THINGS[at % len(THINGS)]} on the way to town. " + "The town. " * (at % 6)}
    for at in range(COUNT)
}
QUERY = {"match": {"body": "crossing a river on the way to town"}}


@pytest.fixture
def endpoint(opensearch: Engine, serve: Serve, models: Models, e5: ModelServer) -> Endpoint:
    """An endpoint with a window of 20 over 60 hits."""
    if ask(opensearch.url, "HEAD", f"/{INDEX}").status != 200:
        fill(opensearch.url, INDEX, {"properties": {"body": {"type": "text"}}}, DOCUMENTS)
    found = serve(opensearch.url, *models.flags("e5"), "--window", str(WINDOW))
    found.await_health("ok")
    return found


def test_pages_are_one_permutation_of_the_engines_result(endpoint: Endpoint, opensearch: Engine) -> None:
    engine = ask(opensearch.url, "POST", f"/{INDEX}/_search", {"query": QUERY, "size": COUNT})
    assert len(engine.ids) == COUNT
    pages = [endpoint.search(INDEX, {"query": QUERY, "from": at, "size": PAGE}) for at in range(0, COUNT, PAGE)]
    ids = [name for page in pages for name in page.ids]
    assert sorted(ids) == sorted(engine.ids)
    assert sorted(ids[:WINDOW]) == sorted(engine.ids[:WINDOW])
    assert ids[:WINDOW] != engine.ids[:WINDOW]
    assert ids[WINDOW:] == engine.ids[WINDOW:]
    scores = [hit["_score"] for page in pages for hit in page.hits]
    assert all(first >= second for first, second in pairwise(scores))
    assert all(1 <= score <= 2 for score in scores[:WINDOW])
    assert all(0 < score < 1 for score in scores[WINDOW:])
    assert {page.json["hits"]["total"]["value"] for page in pages} == {COUNT}


def test_the_header_says_what_happened_to_each_page(endpoint: Endpoint) -> None:
    pages = [endpoint.search(INDEX, {"query": QUERY, "from": at, "size": PAGE}) for at in (0, 14, 21, 56)]
    assert [page.outcome.split("; ")[:2] for page in pages] == [
        ["reranked", "window=20"],
        ["reranked", "window=20"],
        ["skipped", "why=beyond_window"],
        ["skipped", "why=beyond_window"],
    ]
    assert "; cached=20; " in pages[1].outcome
    assert "engine;dur=" in pages[0].header("Server-Timing")


def test_max_score_is_the_highest_score_of_the_window_on_every_page(endpoint: Endpoint) -> None:
    first, third = (endpoint.search(INDEX, {"query": QUERY, "from": at, "size": PAGE}).json for at in (0, 14))
    assert first["hits"]["max_score"] == third["hits"]["max_score"] == first["hits"]["hits"][0]["_score"]


@pytest.mark.parametrize(("start", "size"), [(0, 60), (0, 1), (19, 2), (5, 40)])
def test_any_page_is_a_slice_of_the_same_list(endpoint: Endpoint, start: int, size: int) -> None:
    full = endpoint.search(INDEX, {"query": QUERY, "size": COUNT})
    page = endpoint.search(INDEX, {"query": QUERY, "from": start, "size": size})
    assert page.hits == full.hits[start : start + size]
