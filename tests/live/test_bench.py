"""`es-rerank bench` on a real engine and a real vLLM: a closed loop, and an open loop."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from es_rerank_lab.parts.engines import Engine
from es_rerank_lab.parts.vllm import ModelServer

from .conftest import Serve
from .endpoint import Endpoint
from .models import Models
from .wire import fill

INDEX, DOCUMENTS, QUERIES = "load-test", 20, 40
MAPPINGS = {"properties": {"body": {"type": "text"}}}


@pytest.fixture
def endpoint(opensearch: Engine, serve: Serve, models: Models, e5: ModelServer) -> Endpoint:
    fill(
        opensearch.url, INDEX, MAPPINGS, {f"{at}": {"body": f"report {at} about the river"} for at in range(DOCUMENTS)}
    )
    found = serve(opensearch.url, *models.flags("e5"))
    found.await_health("ok")
    return found


@pytest.mark.parametrize("load", [("--clients", "2"), ("--rate", "5")], ids=["closed", "open"])
def test_searches_are_measured_with_and_without_reranking(
    endpoint: Endpoint, opensearch: Engine, tmp_path: Path, load: tuple[str, str]
) -> None:
    lines = [json.dumps({"_id": f"{at}", "text": f"report {at} river"}) for at in range(QUERIES)]
    (tmp_path / "queries.jsonl").write_text("\n".join(lines))
    command = [
        sys.executable, "-m", "es_rerank", "bench", "--endpoint", endpoint.url, "--baseline", opensearch.url,
        "--index", INDEX, "--queries", "queries.jsonl", "--seconds", "8", "--json", "result.json", *load,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sys.stdout.write(done.stdout)
    found: dict[str, Any] = json.loads((tmp_path / "result.json").read_text())
    baseline, reranked = found["sides"]["baseline"], found["sides"]["endpoint"]
    assert baseline["outcomes"] == {"no X-Rerank header": baseline["searches"]}
    assert reranked["outcomes"] == {"reranked": reranked["searches"]}
    assert (baseline["errors"], reranked["errors"]) == ({}, {})
    assert reranked["server_timing"]["engine"]["p50"] > 0
    assert reranked["seconds"]["p50"] > reranked["server_timing"]["proxy"]["p50"]
    assert found["ratios"]["p50"] > 0
