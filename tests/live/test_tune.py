"""`es-rerank tune` on the demo's corpus: the proposed rule is served as predicted, and known items stay first."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from es_rerank_lab.demo import corpus
from es_rerank_lab.demo.client import INDEX, Access, Client
from es_rerank_lab.demo.corpus import Corpus
from es_rerank_lab.parts.engines import Engine
from es_rerank_lab.parts.vllm import ModelServer

from .conftest import Serve
from .endpoint import Endpoint
from .models import Models

TITLES = 50
TEMPLATE = {"query": {"multi_match": {"query": "{{query}}", "fields": ["title", "body"]}}}


@pytest.fixture(scope="module")
def demo(opensearch: Engine) -> Iterator[Corpus]:
    """The demo's documents, indexed."""
    found, client = corpus.load(), Client(Access("opensearch", opensearch.url))
    client.load(found.documents)
    yield found
    client.clear()


@pytest.fixture
def folder(demo: Corpus, tmp_path: Path) -> Path:
    """A folder with the demo's queries and judgments."""
    lines = [json.dumps({"_id": one.id, "text": one.text, "lang": one.lang}) for one in demo.queries]
    (tmp_path / "queries.jsonl").write_text("\n".join(lines))
    rows = [f"{one.id} 0 {key} {grade}\n" for one in demo.queries for key, grade in one.relevant.items()]
    (tmp_path / "qrels").write_text("".join(rows))
    (tmp_path / "template.json").write_text(json.dumps(TEMPLATE))
    return tmp_path


def run(folder: Path, command: str, *options: str) -> dict[str, Any]:
    """Run a subcommand over the demo's queries, and return its JSON output."""
    files = ("--queries", "queries.jsonl", "--judgments", "qrels", "--query-template", "template.json")
    name = f"{command}.json"
    argv = [sys.executable, "-m", "es_rerank", command, "--index", INDEX, *files, "--json", name, *options]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    (folder / f"{command}.txt").write_text(done.stdout)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((folder / name).read_text())
    return found


def test_the_rule_for_the_demo_is_better_than_the_engine_and_served_as_predicted(
    folder: Path, opensearch: Engine, serve: Serve, models: Models, e5: ModelServer
) -> None:
    assert e5
    settings = ("--upstream", opensearch.url, *models.flags("e5"))
    outputs = ("--rule", "rules/demo.yaml", "--report", "report.html", "--resume", "scores.jsonl")
    found = run(folder, "tune", *settings, *outputs)
    assert found["verdict"] == "tuned"
    assert found["held_out"]["interval"][0] > 0
    assert found["held_out"]["value"] >= found["current"]["value"] > found["engine"]
    endpoint = serve(opensearch.url, *models.flags("e5"), "--mappings", str(folder / "rules"))
    endpoint.await_health("ok")
    served = run(folder, "eval", "--endpoint", endpoint.url, "--window", "100")
    values = {one["id"]: one["ndcg@10"] for one in served["queries"]}
    assert {one["id"]: one["proposed"] for one in found["queries"]} == pytest.approx(
        {key: value["endpoint"] for key, value in values.items()}, abs=1e-9
    )
    assert {one["id"]: one["engine"] for one in found["queries"]} == pytest.approx(
        {key: value["baseline"] for key, value in values.items()}, abs=1e-9
    )


def firsts(endpoint: Endpoint, titles: Sequence[str], mode: str) -> list[str]:
    """Return the first hit for each title."""
    bodies = [json.loads(json.dumps(TEMPLATE).replace('"{{query}}"', json.dumps(title))) for title in titles]
    headers = {"X-Rerank-Mode": mode}
    return [endpoint.ask("POST", f"/{INDEX}/_search", body, headers).ids[0] for body in bodies]


@pytest.fixture
def protecting(
    tmp_path: Path, opensearch: Engine, serve: Serve, models: Models, e5: ModelServer
) -> Callable[[str], Endpoint]:
    """Start an endpoint that protects known items, with a policy."""
    assert e5

    def start(policy: str) -> Endpoint:
        (tmp_path / "demo.yaml").write_text(f"index: {INDEX}\npolicy: {policy}\nprotect: true\n")
        endpoint = serve(opensearch.url, *models.flags("e5"), "--mappings", str(tmp_path))
        endpoint.await_health("ok")
        return endpoint

    return start


@pytest.mark.parametrize("policy", ["blend", "replace"])
def test_searches_for_a_title_keep_its_document_first(
    policy: str, demo: Corpus, protecting: Callable[[str], Endpoint]
) -> None:
    """Of the documents that the engine finds first by their whole title, none is moved from the first place."""
    endpoint = protecting(policy)
    titles = {document.title: document.id for document in demo.documents}
    sample = list(titles)[:: len(titles) // (2 * TITLES)]
    engine = firsts(endpoint, sample, "off")
    navigational = [title for title, first in zip(sample, engine, strict=True) if first == titles[title]][:TITLES]
    assert len(navigational) == TITLES
    assert firsts(endpoint, navigational, "on") == [titles[title] for title in navigational]
