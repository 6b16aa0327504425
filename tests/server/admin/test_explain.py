from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from es_rerank.testing import FakeResponse, RunningEndpoint, fake_settings, running_endpoint
from tests.server.handlers.engine import HOSE, running

SEARCH = {"path": "/docs/_search", "body": HOSE}
LINES = '{"index":"docs"}\n{"query":{"match":{"body":"hose"}}}\n{}\n{"query":{"match_all":{}}}\n'


async def explained(proxy: RunningEndpoint, **question: Any) -> list[dict[str, Any]]:
    got = await proxy.pages.send("POST", "/_rerank/explain", question)
    assert got.status == 200, got.body
    searches: list[dict[str, Any]] = got.json["searches"]
    return searches


async def test_a_search_is_explained_without_searching() -> None:
    async with running() as (proxy, engine, reranker):
        (found,) = await explained(proxy, **SEARCH)
    assert (found["decision"], found["query_text"], found["window"]) == ("plan", "hose", 50)
    assert "result" not in found
    assert engine.targets() == []
    assert reranker.seen == []


@pytest.mark.parametrize("body", [HOSE, json.dumps(HOSE)], ids=["object", "text"])
async def test_the_body_is_json_or_text(body: Any) -> None:
    async with running() as (proxy, _, _):
        (found,) = await explained(proxy, path="/docs/_search?size=2", body=body, method="GET")
    assert found["page"] == [0, 2]
    assert found["upstream"]["method"] == "GET"


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ({"path": "/docs/_doc/1"}, "not_a_search"),
        ({"path": "/docs/_search", "body": "{"}, "unreadable"),
        ({"path": "/docs/_search", "body": {**HOSE, "sort": ["_doc"]}}, "sort"),
        ({"path": "/docs/_search?format=yaml", "body": HOSE}, "format"),
        ({"path": "/docs/_search", "body": HOSE, "headers": {"accept": "application/yaml"}}, "format"),
        ({"path": "/.hidden/_search", "body": HOSE}, "hidden_index"),
    ],
)
async def test_a_search_that_is_not_reranked_has_its_reason(question: dict[str, Any], why: str) -> None:
    async with running() as (proxy, _, _):
        (found,) = await explained(proxy, **question)
    assert (found["decision"], found["why"]) == ("skip", why)
    assert found["means"]
    assert found["do"]


async def test_headers_of_the_request_count() -> None:
    async with running() as (proxy, _, _):
        (found,) = await explained(proxy, **SEARCH, headers={"x-rerank-query": "a green hose"})
    assert found["query_text"] == "a green hose"


async def test_each_search_of_a_multi_search_is_explained_and_none_is_run() -> None:
    async with running() as (proxy, engine, _):
        first, second = await explained(proxy, path="/_msearch", body=LINES, run=True)
    assert (first["decision"], first["upstream"]["header"]) == ("plan", {"index": "docs"})
    assert (second["decision"], second["why"]) == ("skip", "no_query_text")
    assert (
        first["note"]
        == second["note"]
        == ("Only searches at `_search` and `_search/template` are run. Send this search to one of them.")
    )
    assert engine.targets() == []


async def test_a_template_is_rendered_by_the_engine() -> None:
    template = {"source": "...", "params": {"q": "hose"}}
    async with running() as (proxy, _, _):
        (found,) = await explained(proxy, path="/docs/_search/template", body=template, run=True)
    assert (found["query_text"], found["result"]["outcome"]) == ("hose", "reranked")


async def test_a_search_is_not_counted() -> None:
    async with running() as (proxy, _, _):
        await explained(proxy, **SEARCH, run=True)
        metrics = (await proxy.pages.send("GET", "/_rerank/metrics")).body.decode()
        status = (await proxy.pages.send("GET", "/_rerank/status")).json
    assert [
        line for line in metrics.splitlines() if line.startswith("es_rerank_searches_total{") and line[-3:] != "0.0"
    ] == []
    assert (status["windows"], status["not_reranked"]) == ([], [])


@pytest.mark.parametrize("mode", ["off", "shadow", "sample\nsample_rate: 0"])
async def test_reranking_can_be_forced(mode: str, tmp_path: Path) -> None:
    (tmp_path / "docs.yaml").write_text(f"index: docs\nwindow: 3\nmode: {mode}\n")
    why = {"off": "off", "shadow": "shadow"}.get(mode, "sampled_out")
    async with running(mappings=tmp_path) as (proxy, _, _):
        (plain,) = await explained(proxy, **SEARCH, run=True)
        (forced,) = await explained(proxy, **SEARCH, run=True, force=True)
        after = await proxy.search()
    assert (plain["decision"], plain["why"]) == ("skip", why)
    assert (plain["result"]["outcome"], plain["result"]["why"]) == ("skipped", why)
    assert [hit["rank"] for hit in plain["result"]["hits"]] == [1, 2, 3, 4]
    assert (forced["decision"], forced["why"], forced["window"]) == ("plan", why, 3)
    assert [hit["rank"] for hit in forced["result"]["hits"]] == [3, 2, 1, 4]
    assert after.headers["X-Rerank"].endswith(why)


async def test_the_callers_credentials_are_sent_and_no_others() -> None:
    async with running(upstream_api_key="ours") as (proxy, engine, _):
        headers = [("Authorization", "Basic bWU6cmlnaHQ=")]
        await proxy.pages.send("POST", "/_rerank/explain", {**SEARCH, "run": True}, headers)
    assert {seen.headers["Authorization"] for seen in engine.seen} == {"Basic bWU6cmlnaHQ="}


@pytest.mark.parametrize("path", ["docs/_search", "/docs/_search HTTP/1.1", "/docs\r\nX: y", "/döcs/_search", ""])
async def test_a_path_that_is_no_request_target_is_rejected(path: str) -> None:
    async with running() as (proxy, engine, _):
        got = await proxy.pages.send("POST", "/_rerank/explain", {**SEARCH, "path": path, "run": True})
    assert got.status == 400
    assert got.json["error"]["reason"].startswith("path: ")
    assert engine.seen == []


async def test_without_an_engine_the_reason_is_returned() -> None:
    async with running_endpoint(fake_settings()) as proxy:
        (found,) = await explained(proxy, **SEARCH)
        got = await proxy.pages.send("POST", "/_rerank/explain", {**SEARCH, "run": True})
    assert (found["decision"], found["why"]) == ("skip", "mapping")
    assert (got.status, got.json["error"]["type"]) == (502, "upstream_unreachable_exception")


async def test_the_engines_error_is_shown() -> None:
    missing = FakeResponse(b'{"error":{"reason":"no such index"},"status":404}', 404)
    async with running({"/nope": missing}) as (proxy, _, _):
        (found,) = await explained(proxy, path="/nope/_search", body=HOSE, run=True)
    assert (found["result"]["status"], found["result"]["hits"]) == (404, [])
    assert json.loads(found["result"]["error"])["error"] == {"reason": "no such index"}
