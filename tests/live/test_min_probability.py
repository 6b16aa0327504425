"""A rule with `min_probability` on a real engine with multilingual-e5-small: dropped hits, moved hits, and pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from es_rerank_lab.parts.engines import Engine
from es_rerank_lab.parts.vllm import ModelServer

from .conftest import Serve
from .endpoint import Endpoint
from .models import Models
from .wire import NDJSON, fill

INDEX = "snakes"
WINDOW = 6
QUERY = "how long can a python snake grow"
TEXTS = (
    "The reticulated python is the longest snake on earth and reaches over six metres in length.",
    "An adult ball python snake can grow to about one and a half metres.",
    "How long can a list in Python grow before the memory is full?",
    "How long can it grow? A question on a snake of cars.",
    "A python can grow: release notes of a programming language.",
    "Long trousers, long coats, long skirts.",
    "How long is the python script?",
    "A snake in a garden can be led away with a long broom.",
    "Grow tomatoes: how long it takes.",
    "Can you grow long hair?",
)
DOCUMENTS: dict[str, dict[str, Any]] = {f"d{at}": {"body": text} for at, text in enumerate(TEXTS)}
Search = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, opensearch: Engine, serve: Serve, models: Models, e5: ModelServer) -> Callable[[str], Endpoint]:
    """Start an endpoint whose rule has some more lines."""
    assert e5
    fill(opensearch.url, INDEX, {"properties": {"body": {"type": "text"}}}, DOCUMENTS)

    def start(lines: str) -> Endpoint:
        folder = tmp_path / ("changed" if lines else "plain")
        folder.mkdir()
        (folder / "snakes.yaml").write_text(f"index: {INDEX}\nwindow: {WINDOW}\npolicy: replace\n{lines}")
        found = serve(opensearch.url, *models.flags("e5"), "--mappings", str(folder))
        found.await_health("ok")
        return found

    return start


def page(size: int, start: int = 0) -> dict[str, Any]:
    return {"query": {"match": {"body": QUERY}}, "size": size, "from": start}


def pages(endpoint: Endpoint, size: int) -> list[tuple[str, float]]:
    found = [endpoint.search(INDEX, page(size, start)) for start in range(0, len(TEXTS), size)]
    assert {one.json["hits"]["total"]["value"] for one in found} == {len(TEXTS)}
    return [(hit["_id"], hit["_score"]) for one in found for hit in one.hits]


@pytest.mark.parametrize("below", ["drop", "last"])
def test_hits_with_a_low_probability_are_dropped_or_come_last_on_pages_of_any_size(
    below: str, run: Callable[[str], Endpoint]
) -> None:
    plain = [(hit["_id"], hit["_score"]) for hit in run("").search(INDEX, page(len(TEXTS))).hits]
    window, tail = plain[:WINDOW], plain[WINDOW:]
    minimum = sum(score - 1 for _, score in window[2:4]) / 2
    endpoint = run(f"min_probability: {minimum}\nbelow_min_probability: {below}\n")
    kept, low = ([hit for hit in window if (hit[1] - 1 >= minimum) is high] for high in (True, False))
    assert kept
    assert low
    expected = kept + tail + ([(key, 0.0) for key, _ in low] if below == "last" else [])
    for size in (1, 3, 4, len(TEXTS)):
        found = pages(endpoint, size)
        assert [key for key, _ in found] == [key for key, _ in expected]
        assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-4)
    first = endpoint.search(INDEX, page(WINDOW))
    assert first.ids == [key for key, _ in expected[: len(kept) if below == "drop" else WINDOW]]
    body = b"{}\n" + str(page(2)).replace("'", '"').encode() + b"\n"
    many = endpoint.ask("POST", f"/{INDEX}/_msearch", body, NDJSON)
    assert [hit["_id"] for hit in many.json["responses"][0]["hits"]["hits"]] == first.ids[:2]
