"""A request names a reranker that the engine does not know: whatever happens to it, the engine gets what it accepts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from es_rerank.testing import ClientReply, FakeResponse, ReceivedRequest
from tests.server.handlers.engine import CAPS, HOSE, found, msearch, running, search

RETRIEVER = {"retriever": {"text_similarity_reranker": {"retriever": {"standard": HOSE}, "inference_text": "mend it"}}}
EXTENSION = {**HOSE, "ext": {"rerank": {"query_context": {"query_text": "mend it"}}}}
NAMED = [RETRIEVER, EXTENSION]
REFUSED = FakeResponse(b'{"error":{"type":"parsing_exception"},"status":400}', status=400)
JSON = ("Content-Type", "application/json")


def knows_no_reranker(seen: ReceivedRequest) -> FakeResponse:
    """Refuse a body that names a reranker anywhere, as an engine without that reranker does."""
    if b"rerank" in seen.body or "rerank" in seen.target:
        return REFUSED
    if "_msearch" in seen.target:
        return msearch(seen)
    if "_rank_eval" in seen.target:
        return FakeResponse(b'{"metric_score":1.0}')
    if "/template" in seen.target:
        return FakeResponse(found(json.loads(seen.json["params"]["search"])))
    return search(seen)


def lines(*searches: Mapping[str, Any]) -> bytes:
    return b"".join(b'{"index":"docs"}\n' + json.dumps(one).encode() + b"\n" for one in searches)


def rated(*searches: Mapping[str, Any]) -> bytes:
    requests = [{"id": str(at), "request": one, "ratings": []} for at, one in enumerate(searches)]
    return json.dumps({"requests": requests, "metric": {"precision": {"k": 3}}}).encode()


def in_the_url(named: Mapping[str, Any]) -> str:
    return f"/docs/_search?source_content_type=application/json&source={quote(json.dumps(named))}"


# Endpoint -> target and body of a request with such a search.
CARRIERS = {
    "search": lambda named: ("/docs/_search", json.dumps(named).encode()),
    "source": lambda named: (in_the_url(named), b""),
    "asynchronous search": lambda named: ("/docs/_async_search", json.dumps(named).encode()),
    "template": lambda _: ("/docs/_search/template", b'{"id":"t","params":{"q":"hose"}}'),
    "many searches": lambda named: ("/_msearch", lines(HOSE, named, named)),
    "many templates": lambda _: ("/_msearch/template", b'{"index":"docs"}\n{"id":"t","params":{"q":"hose"}}\n'),
    "rated searches": lambda named: ("/docs/_rank_eval", rated(HOSE, named)),
}
# Why a search is not reranked -> what leads to it: members of each search, headers, responses of the engine.
WAYS_OUT: dict[str, dict[str, Any]] = {
    "size_zero": {"more": {"size": 0}},
    "sort": {"more": {"sort": [{"n": "asc"}]}},
    "mapping": {"says": {"/docs/_field_caps": FakeResponse(b"{}", status=403)}},
    "no_text_fields": {"says": {"/docs/_field_caps": FakeResponse(b'{"indices":["docs"],"fields":{}}')}},
    "shadow": {"headers": [("X-Rerank-Mode", "shadow")]},
    "no_rule": {"rule": "index: other\n"},
    "off": {"rule": "index: docs\nmode: 'off'\n"},
    "sampled_out": {"rule": "index: docs\nmode: sample\nsample_rate: 0\n"},
}
NOT_READ = {
    "header": {"headers": [("X-Rerank-Mode", "off")]},
    "format": {"headers": [("Accept", "application/yaml")]},
}


async def send(
    carrier: str, named: Mapping[str, Any], way: Mapping[str, Any], folder: Path
) -> tuple[ClientReply, list[bytes]]:
    """Send a request with a search that names a reranker; return the response and what the engine received."""
    search_ = {**named, **way.get("more", {})}
    if "retriever" in search_ and "sort" in search_:
        search_["retriever"]["text_similarity_reranker"]["retriever"]["standard"]["sort"] = search_.pop("sort")
    rendered = FakeResponse(json.dumps({"template_output": search_}).encode())
    many = dict.fromkeys(("/_msearch", "/docs/_msearch"), knows_no_reranker)
    known = {"/_render/template": rendered, "/docs/_field_caps": CAPS, **many}
    says = {**known, **way.get("says", {}), "": knows_no_reranker}
    more = {}
    if "rule" in way:
        (folder / "docs.yaml").write_text(way["rule"])
        more["mappings"] = folder
    target, body = CARRIERS[carrier](search_)
    async with running(says, **more) as (proxy, engine, _):
        got = await proxy.send("POST", target, body, [JSON, *way.get("headers", ())])
    return got, [seen.body for seen in engine.seen]


@pytest.mark.parametrize("named", NAMED, ids=["retriever", "extension"])
@pytest.mark.parametrize(
    ("carrier", "why"),
    # The metric of a `_rank_eval` sets the size of its searches.
    [(carrier, why) for carrier in CARRIERS for why in WAYS_OUT if (carrier, why) != ("rated searches", "size_zero")],
)
async def test_a_search_that_is_not_reranked_is_sent_without_the_reranker(
    carrier: str, why: str, named: Mapping[str, Any], tmp_path: Path
) -> None:
    got, _ = await send(carrier, json.loads(json.dumps(named)), WAYS_OUT[why], tmp_path)
    assert got.status == 200, got.body
    assert why in got.headers["X-Rerank"]
    assert "error" not in got.json


@pytest.mark.parametrize("way", NOT_READ.values(), ids=NOT_READ)
@pytest.mark.parametrize("carrier", [name for name in CARRIERS if "template" not in name])
async def test_a_request_that_is_not_read_is_sent_without_the_reranker(
    carrier: str, way: Mapping[str, Any], tmp_path: Path
) -> None:
    got, _ = await send(carrier, RETRIEVER, way, tmp_path)
    assert got.status == 200, got.body


@pytest.mark.parametrize("carrier", [name for name in CARRIERS if name != "asynchronous search"])
async def test_a_window_that_the_engine_refuses_is_sent_without_the_reranker(carrier: str, tmp_path: Path) -> None:
    seen_once: list[str] = []

    def refuses_first(seen: ReceivedRequest) -> FakeResponse:
        seen_once.append(seen.target)
        return REFUSED if len(seen_once) == 1 else knows_no_reranker(seen)

    rows = dict.fromkeys(("/docs/_search", "/_msearch", "/docs/_msearch"), refuses_first)
    got, _ = await send(carrier, RETRIEVER, {"says": rows}, tmp_path)
    assert (got.status, "engine_error" in got.headers["X-Rerank"]) == (200, True), got.body


async def test_a_failure_of_es_rerank_itself_sends_the_search_without_the_reranker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("es_rerank.server.handlers.search.decode", fails)
    got, _ = await send("search", RETRIEVER, {}, tmp_path)
    assert (got.status, got.headers["X-Rerank"]) == (200, "failed; why=internal")


async def test_a_reranker_that_the_engine_must_run_is_left_to_it(tmp_path: Path) -> None:
    inner = {**RETRIEVER["retriever"]["text_similarity_reranker"], "unknown": 1}
    got, seen = await send("many searches", {"retriever": {"text_similarity_reranker": inner}}, {}, tmp_path)
    assert (got.status, got.json) == (400, json.loads(bytes(REFUSED.body)))
    assert b"unknown" in seen[-1]
