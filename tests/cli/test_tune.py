from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from es_rerank.errors import EsRerankError
from es_rerank.testing import (
    CAPS,
    FakeResponse,
    FakeServer,
    ReceivedRequest,
    fake_settings,
    running_endpoint,
    score_response,
    serve_fake,
)
from tests.cli.conftest import Run

TOPICS = ("bees", "tides", "cats", "rain", "bread", "snakes", "stars", "trains")
# For each topic, three documents that repeat the question, and its answer, which the engine finds last.
DOCUMENTS = {
    f"{topic}-{kind}": {"title": f"{kind} {topic}", "body": f"{kind} text on {topic}"}
    for topic in TOPICS
    for kind in ("first", "second", "third", "answer")
}
QUERIES = "\n".join(json.dumps({"_id": topic, "text": f"what of {topic}"}) for topic in TOPICS)
QRELS = "".join(f"{topic} 0 {topic}-answer 1\n" for topic in TOPICS)
TEMPLATE = '{"query": {"match": {"body": "{{query}}"}}}'
# The model prefers answers to all other texts, or finds all texts equal, or answers the least relevant.
GOOD, BLIND, BAD = {"answer": 3.0}, {"nothing": 3.0}, {"answer": -3.0}


def search(seen: ReceivedRequest) -> FakeResponse:
    """Find the documents of a topic in the order of `DOCUMENTS`."""
    body = json.loads(seen.body)
    topic = body["query"]["match"]["body"].rpartition(" ")[2]
    rows = [
        {"_index": "docs", "_id": key, "_score": 9.0 - at, "_source": source}
        for at, (key, source) in enumerate(one for one in DOCUMENTS.items() if one[0].startswith(topic))
    ]
    page = rows[body.get("from", 0) :][: body.get("size", 10)]
    return FakeResponse(json.dumps({"hits": {"total": len(rows), "max_score": 9.0, "hits": page}}).encode())


@pytest.fixture
async def engine() -> AsyncIterator[FakeServer]:
    async with serve_fake(
        FakeServer({"/docs/_field_caps": FakeResponse(json.dumps(CAPS).encode()), "": search})
    ) as fake:
        yield fake


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "queries.jsonl").write_text(QUERIES)
    (tmp_path / "qrels").write_text(QRELS)
    (tmp_path / "template.json").write_text(TEMPLATE)
    return tmp_path


Tune = Callable[..., Any]


@pytest.fixture
def tune(run: Run, engine: FakeServer, files: Path) -> Tune:
    async def tuned(model: dict[str, float], *options: str, **settings: Any) -> tuple[Result, dict[str, Any]]:
        async with serve_fake(FakeServer({"": score_response(model)})) as reranker:
            flags = (
                "--upstream",
                engine.url,
                "--reranker",
                reranker.url,
                "--profile",
                "bge-reranker",
                "--no-self-test",
            )
            given = ("--index", "docs", "--queries", "queries.jsonl", "--judgments", "qrels", "--json", "out.json")
            more = ("--query-template", "template.json", "--tokenizer", "estimate", *options)
            result = await asyncio.to_thread(run, "tune", *given, *flags, *more)
        written = files / "out.json"
        return result, json.loads(written.read_text()) if written.exists() else {}

    return tuned


async def test_the_proposed_rule_is_served_as_predicted(tune: Tune, run: Run, engine: FakeServer, files: Path) -> None:
    result, found = await tune(GOOD, "--rule", "rules/docs.yaml", "--report", "report.html")
    assert result.exit_code == 0, result.output
    assert found["verdict"] == "tuned"
    assert found["chosen"]["value"] == 1
    assert found["engine"] < 0.5
    assert found["held_out"]["value"] == 1
    checked = run("check", "--mappings", "rules", "--profile", "bge-reranker")
    (rule,) = yaml.safe_load(checked.output)["rules"]
    assert (rule["index"], rule["window"]) == (["docs"], found["chosen"]["window"])
    assert rule["policy"] == found["chosen"]["policy"]
    assert "</html>" in (files / "report.html").read_text()
    assert "No query of 8 is worse" in result.output
    async with serve_fake(FakeServer({"": score_response(GOOD)})) as reranker:
        settings = fake_settings(engine, reranker, mappings=Path("rules"))
        async with running_endpoint(settings) as endpoint:
            for query in found["queries"]:
                served = await endpoint.search(query["text"])
                assert served.ids == query["hits"]["proposed"]


@pytest.mark.parametrize("model", [BLIND, BAD])
async def test_a_model_that_is_not_better_is_not_used(
    tune: Tune, run: Run, model: dict[str, float], files: Path
) -> None:
    """If every rule is worse than the engine on some queries, tuning still proposes nothing worse in the mean."""
    (files / "qrels").write_text("".join(f"{topic} 0 {topic}-first 1\n" for topic in TOPICS))
    result, found = await tune(model, "--rule", "rules/docs.yaml")
    assert result.exit_code == 0, result.output
    assert (found["verdict"], found["engine"]) == ("off", 1)
    text = (files / "rules/docs.yaml").read_text()
    assert yaml.safe_load(text) == {"index": ["docs"], "mode": "off"}
    assert text.startswith("# Proposed by es-rerank tune: 8 judged queries, index docs")
    (rule,) = yaml.safe_load(run("check", "--mappings", "rules").output)["rules"]
    assert rule["mode"] == "off"


async def test_queries_that_get_worse_are_named(tune: Tune, files: Path) -> None:
    """The model is right for seven queries. The eighth is answered by the engine's first hit."""
    (files / "qrels").write_text(QRELS.replace("trains-answer", "trains-first"))
    result, found = await tune(GOOD)
    assert found["verdict"] == "tuned"
    assert re.search(
        r"worse than in the engine's order: 1 of 8 .*\n  1\.000 -> 0\.\d+  trains: what of trains", result.output
    )


async def test_an_interrupted_tuning_continues(tune: Tune, files: Path) -> None:
    _, whole = await tune(GOOD, "--resume", "scores.jsonl")
    lines = (files / "scores.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 1 + len(TOPICS)
    (files / "scores.jsonl").write_text("".join(lines[:4]))
    _, again = await tune(GOOD, "--resume", "scores.jsonl")
    assert again == whole
    assert (files / "scores.jsonl").read_text().splitlines(keepends=True) == lines
    result, _ = await tune(GOOD, "--resume", "scores.jsonl", "--windows", "2,3")
    assert "scores.jsonl:1: windows: the file was written with another value" in str(result.exception)


async def test_the_other_keys_of_the_current_rule_are_kept(tune: Tune, run: Run, files: Path) -> None:
    (files / "mappings").mkdir()
    text = "index: [docs, 'docs-*']\nmode: shadow\ndeadline: 800ms\nfields: [body]\nwindow: 2\npolicy: keep\n"
    (files / "mappings/mine.yaml").write_text(text)
    _, found = await tune(GOOD, "--mappings", "mappings", "--rule", "rules/mine.yaml")
    assert found["current"]["policy"] == "keep"
    assert found["current"]["window"] == 2
    rule = yaml.safe_load((files / "rules/mine.yaml").read_text())
    assert (rule["index"], rule["mode"], rule["deadline"]) == (["docs", "docs-*"], "shadow", "800ms")
    assert rule["window"] > 2
    assert run("check", "--mappings", "rules").exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--windows", "10,x"), "--windows: '10,x' must be numbers from 2 to 1000"),
        (("--fields", "title,"), "--fields: 'title,' must be names"),
        (("--backend", "identity"), "the backend identity has no model"),
        (("--upstream", "http://127.0.0.1:9"), "the engine does not return the fields"),
    ],
)
async def test_errors_say_what_is_wrong(tune: Tune, options: tuple[str, ...], message: str) -> None:
    result, _ = await tune(GOOD, *options)
    assert isinstance(result.exception, EsRerankError)
    assert message in str(result.exception)


async def test_a_few_queries_are_not_enough(tune: Tune, files: Path) -> None:
    (files / "qrels").write_text(QRELS.partition("snakes")[0].partition("rain")[0])
    result, _ = await tune(GOOD)
    assert "qrels: 3 queries of queries.jsonl are judged; at least 5 are needed" in str(result.exception)
