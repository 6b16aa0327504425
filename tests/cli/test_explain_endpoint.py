from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from es_rerank.cli.admin_client import AdminPages
from es_rerank.cli.explain_endpoint import explain_request
from tests.cli.conftest import Run
from tests.server.handlers.engine import HOSE, running

QUESTION: dict[str, Any] = {"path": "/docs/_search", "body": json.dumps(HOSE), "run": True}
ORDER = [4, 3, 1, 2]


def ranks(searches: Any) -> list[int]:
    return [hit["rank"] for hit in searches[0]["result"]["hits"]]


async def test_a_running_endpoint_explains_a_request() -> None:
    async with running() as (proxy, engine, _):
        found = await explain_request(AdminPages(proxy.own, {"Authorization": "Basic bWU6cmlnaHQ="}), QUESTION)
    assert ranks(found) == ORDER
    sent = {seen.headers.get("Authorization") for seen in engine.seen if seen.target.startswith("/docs/")}
    assert sent == {"Basic bWU6cmlnaHQ="}


async def test_in_front_of_an_engine_an_endpoint_with_the_settings_of_serve_explains_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "docs.yaml").write_text("index: docs\nwindow: 3\nfields: [body]\n")
    async with running() as (_, engine, reranker):
        monkeypatch.setenv("ES_RERANK_RERANKER", reranker.url)
        monkeypatch.setenv("ES_RERANK_PROFILE", "bge-reranker")
        monkeypatch.setenv("ES_RERANK_SELF_TEST", "false")
        monkeypatch.setenv("ES_RERANK_ADMIN_LISTEN", "shared")
        found = await explain_request(AdminPages(engine.url, {}), QUESTION, mappings=str(tmp_path))
    assert found[0]["rule"]["name"] == "docs"
    assert ranks(found) == [3, 2, 1, 4]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--run"], "--run and --force need --endpoint"),
        (["--force"], "--run and --force need --endpoint"),
        (["--endpoint", "http://127.0.0.1:9", "--mapping", "mapping.json"], "--mapping cannot be used with --endpoint"),
        (["--endpoint", "http://127.0.0.1:9"], "http://127.0.0.1:9 cannot be reached"),
    ],
)
def test_options_that_do_not_fit_together_are_rejected(arguments: list[str], words: str, run: Run) -> None:
    Path("mapping.json").write_text("{}")
    result = run("explain", "--path", "/docs/_search", *arguments)
    assert result.exit_code != 0
    assert words in f"{result.output}{result.exception}"
