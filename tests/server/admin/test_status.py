from __future__ import annotations

import json
from pathlib import Path

from es_rerank.config.rule_file import RuleFile
from es_rerank.model import MinProbability, Rule, Why
from es_rerank.reasons import ENGINE_UNREACHABLE, REASONS
from es_rerank.server.admin import status
from es_rerank.testing import FakeResponse, FakeServer, fake_settings, running_endpoint, serve_fake
from tests.server.handlers.engine import running


async def test_the_status_shows_what_happened_lately() -> None:
    async with running() as (proxy, _, reranker):
        await proxy.search()
        await proxy.search(sort=["_doc"])
        await proxy.search(sort=["_doc"])
        got = (await proxy.pages.send("GET", "/_rerank/status")).json
    (window,) = got["windows"]
    assert (window["window"], window["of"], window["cached"]) == (4, 4, 0)
    (skip,) = got["not_reranked"]
    assert (skip["state"], skip["why"], skip["searches"], skip["path"]) == ("skipped", "sort", 2, "/docs/_search")
    assert (skip["means"], skip["do"]) == tuple(REASONS[Why.SORT])
    assert (got["reranker"]["model"], got["reranker"]["cached"]) == ("BAAI/bge-reranker-v2-m3", 4)
    assert [one["url"] for one in got["reranker"]["servers"]] == [reranker.url]
    assert got["engine"] == {"state": "ok"}
    assert (got["profile"], got["for_trying"], got["takes_instruction"]) == ("bge-reranker", False, False)


async def test_a_search_that_the_engine_did_not_answer_is_shown() -> None:
    async with running_endpoint(fake_settings()) as proxy:
        await proxy.search()
        got = (await proxy.pages.send("GET", "/_rerank/status")).json
    assert [(one["why"], one["path"]) for one in got["not_reranked"]] == [("mapping", "/docs/_search")]
    assert got["engine"]["state"] == "unreachable"
    assert "127.0.0.1" in got["engine"]["problem"] or "connection" in got["engine"]["problem"]
    assert got["engine"]["do"] == ENGINE_UNREACHABLE.do


async def test_rules_are_shown_as_in_their_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "index: [docs, docs-*]\nfields: [title]\nwindow: 20\npolicy: blend(0.6)\nmode: sample\nsample_rate: 0.5\n"
        "protect: true\nlong_documents: max_passage\n"
    )
    (tmp_path / "b.yaml").write_text("index: letters\nmode: off\n")
    async with running_endpoint(fake_settings(mappings=tmp_path)) as proxy:
        first, second = (await proxy.pages.send("GET", "/_rerank/status")).json["rules"]
    assert first == {
        "name": "a",
        "index": ["docs", "docs-*"],
        "mode": "sample",
        "sample_rate": 0.5,
        "window": 20,
        "deadline": 3.0,
        "policy": "blend(0.6)",
        "fields": ["title"],
        "protect": {"score_ratio": 1.5, "margin": 0.5},
        "long_documents": "max_passage",
        "max_search_tokens": 65536,
        "query_header": "allow",
        "strict": False,
        "partial": "allow",
    }
    assert (second["name"], second["mode"]) == ("b", "off")


def test_every_key_of_a_rule_is_shown() -> None:
    rule = Rule("docs", min_probability=MinProbability(0.2))
    assert {name for name, _ in status._members(rule)} == {"name", *RuleFile.model_fields}


async def test_no_secret_is_shown() -> None:
    secrets = {"reranker_api_key": "secret-1", "upstream_username": "me", "upstream_password": "secret-2"}
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"secret-1 is wrong", 401)})) as server,
        running_endpoint(fake_settings(reranker=server, **secrets)) as proxy,
    ):
        await proxy.pages.send("POST", "/_rerank/rank", {"query": "secret-query", "candidates": ["secret-text"]})
        got = await proxy.pages.send("GET", "/_rerank/status")
    assert "secret" not in json.dumps(got.json).replace("secret_", "")
    assert got.json["settings"]["reranker_api_key"] == "**********"
    assert got.json["reranker"]["servers"][0]["problem"].startswith("refused: HTTP 401")
