"""`es-rerank explain` and `X-Rerank-Explain` on a real engine with a real model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from es_rerank_lab.parts.engines import Engine
from es_rerank_lab.parts.vllm import ModelServer

from .conftest import Serve
from .models import Models
from .test_e5 import LANGUAGES, MAPPINGS, MODEL_ORDER
from .wire import NDJSON, fill

INDEX = "explained"
QUERY, TEXTS = LANGUAGES["en"]


def explained(folder: Path, *arguments: str, **variables: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("ES_RERANK_")}
    (folder / "search.json").write_text(json.dumps({"query": {"match": {"body": QUERY}}}))
    command = [sys.executable, "-m", "es_rerank", "explain", "--path", f"/{INDEX}/_search", "--body", "search.json"]
    done = subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, timeout=120, check=True, env=env | variables
    )
    return done.stdout.decode()


def order(output: str) -> list[str]:
    (search,) = json.loads(output)["searches"]
    hits: list[dict[str, Any]] = search["result"]["hits"]
    return [hit["id"] for hit in sorted(hits, key=lambda hit: hit["rank"])]


def test_an_endpoint_and_an_engine_are_asked(
    opensearch: Engine, serve: Serve, models: Models, e5: ModelServer, tmp_path: Path
) -> None:
    fill(opensearch.url, INDEX, MAPPINGS, {name: {"body": text} for name, text in TEXTS.items()})
    flags = [*models.flags("e5"), *MODEL_ORDER]
    endpoint = serve(opensearch.url, *flags)
    endpoint.await_health("ok")
    asked = explained(tmp_path, "--endpoint", endpoint.admin_listen, "--run")
    assert order(asked)[0] == "answer"
    settings = dict(zip(flags[::2], flags[1::2], strict=True))
    variables = {f"ES_RERANK_{name[2:].upper()}": value for name, value in settings.items()}
    assert order(explained(tmp_path, "--endpoint", opensearch.url, "--run", **variables)) == order(asked)
    table = explained(tmp_path, "--endpoint", endpoint.admin_listen, "--run", "--format", "table")
    assert f"query text: {QUERY}" in table
    assert TEXTS["answer"] in table


def test_each_of_many_searches_shows_its_passages(
    opensearch: Engine, serve: Serve, models: Models, e5: ModelServer
) -> None:
    assert e5
    fill(opensearch.url, INDEX, MAPPINGS, {name: {"body": text} for name, text in TEXTS.items()})
    endpoint = serve(opensearch.url, *models.flags("e5"), *MODEL_ORDER)
    endpoint.await_health("ok")
    plain = {"query": {"match": {"body": QUERY}}}
    bodies = [plain, {**plain, "size": 1, "_source": False, "highlight": {"fields": {"body": {}}}}]
    lines = "".join(f"{json.dumps(one)}\n" for body in bodies for one in ({}, body)).encode()
    explain = {"X-Rerank-Explain": "true"}
    got = endpoint.ask("POST", f"/{INDEX}/_msearch", lines, {**NDJSON, **explain})
    each = [endpoint.ask("POST", f"/{INDEX}/_search", body, explain) for body in bodies]
    assert [one["hits"] for one in got.json["responses"]] == [one.json["hits"] for one in each]
    assert [one.ids[0] for one in each] == ["answer", "answer"]
    for hit in (hit for one in each for hit in one.hits):
        assert hit["fields"]["es_rerank.passage"] == [TEXTS[hit["_id"]]]
