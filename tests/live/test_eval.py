"""`es-rerank eval` on a real engine with multilingual-e5-small, compared with the same hits scored by vLLM directly."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import ir_measures
import pytest
from ir_measures import nDCG

from es_rerank_lab.parts.engines import Engine
from es_rerank_lab.parts.vllm import ModelServer

from .conftest import Serve
from .endpoint import Endpoint
from .models import Models
from .wire import ask, fill

INDEX = "facts"
WEIGHT = 0.7
# Questions with their answers, which share few words.
TOPICS = {
    "en": (
        ("What do bees make from nectar?", "Workers of the hive dry what they gather from flowers: it becomes honey."),
        ("Why is the sky blue?", "Short wavelengths of sunlight are scattered by air molecules more than long ones."),
        ("How do vaccines work?", "An injected harmless part of a germ trains the immune system to recognize it."),
        ("What causes tides?", "The gravity of the moon raises the sea twice a day."),
    ),
    "de": (
        ("Warum schnurren Katzen?", "Zufriedene Stubentiger erzeugen mit dem Kehlkopf ein tiefes Brummen."),
        ("Wie entsteht Regen?", "Wasserdampf kühlt in der Höhe ab, bildet Tropfen und fällt als Niederschlag."),
    ),
    "fr": (
        ("Pourquoi les feuilles tombent-elles ?", "En automne, l'arbre coupe la sève pour économiser l'eau."),
        ("Comment se forme un arc-en-ciel ?", "La lumière se décompose dans les gouttes d'eau de l'air."),
    ),
}
QUERIES = {
    f"{lang}-{at}": (lang, query, answer)
    for lang, topics in TOPICS.items()
    for at, (query, answer) in enumerate(topics, 1)
}
# For each question its answer, a text that repeats it, and one with two of its words.
DOCUMENTS: dict[str, dict[str, Any]] = {}
for _key, (_, _query, _answer) in QUERIES.items():
    DOCUMENTS[f"{_key}-answer"] = {"body": _answer}
    DOCUMENTS[f"{_key}-words"] = {"body": f"{_query} A list of questions for the quiz: {_query.lower()}"}
    DOCUMENTS[f"{_key}-near"] = {"body": f"{' '.join(_query.split()[-2:])} and other words, sorted by length."}
# Every query finds every document.
TEMPLATE = {"query": {"bool": {"must": [{"exists": {"field": "body"}}], "should": [{"match": {"body": "{{query}}"}}]}}}
MAPPINGS = {"properties": {"body": {"type": "text"}}}


@pytest.fixture
def endpoint(opensearch: Engine, serve: Serve, models: Models, e5: ModelServer) -> Endpoint:
    """An endpoint with e5 and the default policy of its profile."""
    fill(opensearch.url, INDEX, MAPPINGS, DOCUMENTS)
    found = serve(opensearch.url, *models.flags("e5"))
    found.await_health("ok")
    return found


@pytest.fixture
def result(endpoint: Endpoint, tmp_path: Path) -> dict[str, Any]:
    """The JSON output of an evaluation of all queries."""
    lines = [json.dumps({"_id": key, "text": query, "lang": lang}) for key, (lang, query, _) in QUERIES.items()]
    (tmp_path / "queries.jsonl").write_text("\n".join(lines))
    (tmp_path / "qrels").write_text("".join(f"{key} 0 {key}-answer 1\n" for key in QUERIES))
    (tmp_path / "template.json").write_text(json.dumps(TEMPLATE))
    command = [
        sys.executable, "-m", "es_rerank", "eval", "--endpoint", endpoint.url, "--index", INDEX,
        "--queries", "queries.jsonl", "--judgments", "qrels", "--query-template", "template.json", "--by", "lang",
        "--report", "report.html", "--json", "result.json", "--runs", "runs", "--fail-under", "ndcg@10>baseline",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "</html>" in (tmp_path / "report.html").read_text()
    found: dict[str, Any] = json.loads((tmp_path / "result.json").read_text())
    return found


def test_reranking_is_measured_and_equals_the_same_pools_scored_outside(
    result: dict[str, Any], opensearch: Engine, e5: ModelServer
) -> None:
    assert result["outcomes"] == {"reranked": len(QUERIES)}
    measures = result["total"]["measures"]
    assert measures["recall@50"]["baseline"] == measures["recall@50"]["endpoint"] == 1
    assert measures["ndcg@10"]["endpoint"] > measures["ndcg@10"]["baseline"]
    assert [group["name"] for group in result["groups"]] == ["de", "en", "fr"]
    qrels = {key: {f"{key}-answer": 1} for key in QUERIES}
    outside = {key: blended(query, opensearch, e5) for key, (_, query, _) in QUERIES.items()}
    expected = ir_measures.calc_aggregate([nDCG @ 10], qrels, outside)[nDCG @ 10]
    assert measures["ndcg@10"]["endpoint"] == pytest.approx(expected, abs=0.002)
    baseline = {key: dict(pool(query, opensearch)) for key, (_, query, _) in QUERIES.items()}
    expected = ir_measures.calc_aggregate([nDCG @ 10], qrels, baseline)[nDCG @ 10]
    assert measures["ndcg@10"]["baseline"] == pytest.approx(expected, abs=0.002)


def pool(query: str, engine: Engine) -> list[tuple[str, float]]:
    """Return the engine's hits for a query with scores that keep its order where it has ties."""
    body = json.loads(json.dumps(TEMPLATE).replace("{{query}}", query))
    hits = ask(engine.url, "POST", f"/{INDEX}/_search", {**body, "size": 50}).hits
    return [(hit["_id"], hit["_score"] - at * 1e-6) for at, hit in enumerate(hits)]


def blended(query: str, engine: Engine, model: ModelServer) -> dict[str, float]:
    """Score the engine's hits with vLLM directly, and blend the cosines with the engine's scores."""
    hits = pool(query, engine)
    texts = [f"passage: {DOCUMENTS[key]['body']}" for key, _ in hits]
    name = "intfloat/multilingual-e5-small"
    answer = ask(model.url, "POST", "/score", {"model": name, "text_1": f"query: {query}", "text_2": texts}).json
    cosines = [row["score"] for row in sorted(answer["data"], key=lambda row: row["index"])]
    return {
        key: WEIGHT * m + (1 - WEIGHT) * e
        for (key, _), m, e in zip(hits, scaled(cosines), scaled([score for _, score in hits]), strict=True)
    }


def scaled(scores: list[float]) -> list[float]:
    low, high = min(scores), max(scores)
    assert not math.isclose(low, high)
    return [(score - low) / (high - low) for score in scores]
