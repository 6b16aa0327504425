"""The model reads nothing that the caller could not see: the order of the hits would tell what it holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from es_rerank.testing import FakeResponse, ReceivedRequest
from tests.server.handlers.engine import HOSE, running

# A field that a stored template does not show, and a field that it shows.
SECRET, SHOWN = "the secret of the firm", "a garden hose"
CAPS = FakeResponse(
    json.dumps({"indices": ["docs"], "fields": {"notes": {"text": {}}, "title": {"text": {}}}}).encode()
)
TEMPLATES: Mapping[str, dict[str, Any]] = {
    "none": {**HOSE},
    "false": {**HOSE, "_source": False},
    "includes": {**HOSE, "_source": ["title"]},
    "excludes": {**HOSE, "_source": {"excludes": ["notes"]}},
    "fields": {**HOSE, "_source": False, "fields": ["title"]},
}


def render(name: str) -> Callable[[ReceivedRequest], FakeResponse]:
    return lambda _seen: FakeResponse(json.dumps({"template_output": TEMPLATES[name]}).encode())


def search(seen: ReceivedRequest) -> FakeResponse:
    """Return two hits with all that was asked for, and with the whole source."""
    source = {"notes": SECRET, "title": SHOWN}
    hits = [{"_index": "docs", "_id": str(at), "_score": 9.0 - at, "_source": source} for at in range(2)]
    answer = {"took": 1, "hits": {"total": {"value": 2, "relation": "eq"}, "max_score": 9.0, "hits": hits}}
    many = {"took": 1, "responses": [{**answer, "status": 200}]}
    return FakeResponse(json.dumps(many if "_msearch" in seen.target else answer).encode())


async def read_by_model(
    name: str, folder: Path, rule: str, *headers: tuple[str, str], multi: bool = False
) -> tuple[str, str]:
    """Search with a stored template; return what the model reads, and the outcome."""
    (folder / "docs.yaml").write_text(f"index: docs\n{rule}\n")
    says = {"/docs/_field_caps": CAPS, "/_render/template": render(name), "/docs/": search, "/_msearch": search}
    target, body = "/docs/_search/template", b'{"id":"t","params":{}}'
    if multi:
        target, body = "/docs/_msearch/template", b'{}\n{"id":"t","params":{}}\n'
    typed = ("Content-Type", "application/x-ndjson" if multi else "application/json")
    async with running(says, mappings=folder) as (proxy, _, reranker):
        got = await proxy.send("POST", target, body, [typed, *headers])
    return "".join(seen.body.decode() for seen in reranker.seen), got.headers["X-Rerank"]


@pytest.mark.parametrize("multi", [False, True], ids=["search", "msearch"])
@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("none", "reranked"),
        ("false", "skipped; why=no_text_fields"),
        ("includes", "reranked"),
        ("excludes", "reranked"),
        ("fields", "reranked"),
    ],
)
async def test_the_model_reads_no_field_that_a_stored_template_excludes(
    name: str, outcome: str, multi: bool, tmp_path: Path
) -> None:
    read, found = await read_by_model(name, tmp_path, "", ("X-Rerank-Query", SECRET[4:]), multi=multi)
    assert found.startswith(outcome)
    assert (SHOWN in read) == (outcome == "reranked")
    assert (SECRET in read) == (name == "none")


async def test_the_model_reads_fields_that_the_rule_names(tmp_path: Path) -> None:
    read, found = await read_by_model("includes", tmp_path, "fields: [notes]")
    assert found.startswith("reranked")
    assert SECRET in read
    assert SHOWN not in read


async def test_a_rule_may_forbid_query_texts_in_a_header(tmp_path: Path) -> None:
    header = ("X-Rerank-Query", "anything")
    read, found = await read_by_model("none", tmp_path, "query_header: deny", header)
    assert (read, found) == ("", "skipped; why=query_header")
    read, found = await read_by_model("none", tmp_path, "query_header: deny")
    assert found.startswith("reranked")


def mixed(_seen: ReceivedRequest) -> FakeResponse:
    """Return the hits of the fake engine, one of them of a hidden index."""
    texts = (
        ("docs", "1", "opening hours"),
        (".secrets", "9", "a hose of a hidden index"),
        ("docs", "3", "mend a hose"),
    )
    hits = [
        {"_index": index, "_id": id_, "_score": 9.0 - at, "_source": {"body": text}}
        for at, (index, id_, text) in enumerate(texts)
    ]
    answer = {"took": 1, "hits": {"total": {"value": 3, "relation": "eq"}, "max_score": 9.0, "hits": hits}}
    return FakeResponse(json.dumps(answer).encode())


async def test_hits_of_hidden_indices_beside_open_ones_are_not_read() -> None:
    caps = FakeResponse(json.dumps({"indices": ["docs", ".secrets"], "fields": {"body": {"text": {}}}}).encode())
    async with running({"/%2A/_field_caps": caps, "/*/_search": mixed}) as (proxy, _, reranker):
        got = await proxy.send("POST", "/*/_search", HOSE)
    assert got.headers["X-Rerank"].startswith("reranked")
    assert got.ids == ["3", "1", "9"]
    assert "hidden" not in "".join(seen.body.decode() for seen in reranker.seen)
