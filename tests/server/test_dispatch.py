"""Requests through the endpoint in process, between a client, a fake engine and a fake rerank server."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from es_rerank import testing
from es_rerank.model import Why
from es_rerank.testing import (
    FakeResponse,
    FakeServer,
    ReceivedRequest,
    RunningEndpoint,
    fake_settings,
    running_endpoint,
    score_response,
    search_response,
    serve_fake,
)

CAPS = FakeResponse(json.dumps(testing.CAPS).encode())
HITS = (("1", 9.0, "opening hours"), ("2", 8.0, "spare parts"), ("3", 7.0, "mend a hose"), ("4", 6.0, "a hose"))
MODEL = {"mend": 2.0, "hose": 1.0, "opening": -3.0}


def page(seen: ReceivedRequest) -> FakeResponse:
    """Answer as an engine does: `from` and `size` of the URL, else of the body."""
    asked = dict(pair.split("=") for pair in seen.target.partition("?")[2].split("&") if "=" in pair)
    body = json.loads(seen.body or b"{}")
    start, size = (int(asked.get(key, body.get(key, default))) for key, default in (("from", 0), ("size", 10)))
    return FakeResponse(search_response(*HITS[start : start + size]))


def many(seen: ReceivedRequest) -> FakeResponse:
    """Answer each search of a request with all hits."""
    each = [json.loads(search_response(*HITS)) | {"status": 200} for _ in range(len(seen.body.splitlines()) // 2)]
    return FakeResponse(json.dumps({"took": 1, "responses": each}).encode())


@asynccontextmanager
async def running(
    search: Any = page, model: Any = None, **more: Any
) -> AsyncIterator[tuple[RunningEndpoint, FakeServer, FakeServer]]:
    engine = FakeServer({"/_field_caps": CAPS, "/docs/_field_caps": CAPS, "": search})
    async with (
        serve_fake(engine),
        serve_fake(FakeServer({"": model or score_response(MODEL)})) as reranker,
        running_endpoint(fake_settings(engine, reranker, **more)) as proxy,
    ):
        yield proxy, engine, reranker


async def test_a_search_is_reranked() -> None:
    async with running() as (proxy, engine, reranker):
        got = await proxy.search("leaking hose", size=3)
    assert got.ids == ["3", "4", "2"]
    assert got.headers["X-Rerank"] == "reranked; window=4; cached=0; model=BAAI/bge-reranker-v2-m3"
    assert [hit["_score"] for hit in got.json["hits"]["hits"]] == sorted(
        (hit["_score"] for hit in got.json["hits"]["hits"]), reverse=True
    )
    assert engine.targets() == ["/docs/_search?from=0&size=50"]
    assert reranker.seen[0].json["text_1"] == "leaking hose"
    assert reranker.seen[0].json["text_2"] == [text for _, _, text in HITS]


async def test_the_response_has_the_engines_headers_and_two_more() -> None:
    said = [
        ("X-Elastic-Product", "Elasticsearch"),
        ("Content-Type", "application/vnd.elasticsearch+json;compatible-with=8"),
        ("Warning", '299 "a"'),
        ("Warning", '299 "b"'),
    ]
    async with running(FakeResponse(search_response(*HITS), headers=said)) as (proxy, _, _):
        got = await proxy.search()
    own = {"content-length", "date", "server"}
    left = [(name, value) for name, value in got.headers.items() if name.lower() not in own]
    assert left[:4] == said
    assert [name for name, _ in left[4:]] == ["X-Rerank", "Server-Timing"]
    timing = got.headers["Server-Timing"]
    assert re.fullmatch(r"engine;dur=\d+\.\d, rerank;dur=\d+\.\d, proxy;dur=\d+\.\d", timing)
    assert got.headers["Content-Length"] == str(len(got.body))


async def test_pages_are_slices_of_one_window_that_is_scored_once() -> None:
    async with running(window=3) as (proxy, engine, reranker):
        pages = [await proxy.search(**{"from": start, "size": 1}) for start in range(5)]
    assert [got.ids for got in pages] == [["3"], ["2"], ["1"], ["4"], []]
    assert [got.headers["X-Rerank"].partition(";")[0] for got in pages] == ["reranked"] * 3 + ["skipped"] * 2
    assert len(reranker.seen) == 1
    assert engine.targets()[0] == "/docs/_search?from=0&size=3"
    assert engine.targets()[-1] == "/docs/_search?from=4&size=1"


@pytest.mark.parametrize(
    ("method", "target", "body", "why"),
    [
        ("POST", "/docs/_search", b'{"query": {"match_all": {}}}', Why.NO_QUERY_TEXT),
        ("POST", "/docs/_search", b'{"sort": "date", "query": {"match": {"body": "x"}}}', Why.SORT),
        ("POST", "/docs/_search?scroll=1m", b'{"query": {"match": {"body": "x"}}}', Why.SCROLL),
        ("POST", "/docs/_search", b"no json", Why.UNREADABLE),
        ("POST", "/.secret/_search", b'{"query": {"match": {"body": "x"}}}', Why.HIDDEN_INDEX),
        ("GET", "/docs/_search", b"", Why.NO_QUERY_TEXT),
        ("GET", "/docs/_search?q=hose&format=yaml", b"", Why.FORMAT),
    ],
)
async def test_a_skipped_request_reaches_the_engine_unchanged(method: str, target: str, body: bytes, why: Why) -> None:
    said = FakeResponse(b"anything: at all", status=200, headers=[("Content-Type", "x/y")])
    async with running(said) as (proxy, engine, reranker):
        got = await proxy.send(method, target, body or None, {"Content-Type": "application/json"})
    assert (got.body, got.headers["Content-Type"], got.headers["X-Rerank"]) == (said.body, "x/y", f"skipped; why={why}")
    assert (engine.seen[-1].target, engine.seen[-1].body) == (target, body)
    assert re.fullmatch(r"engine;dur=\d+\.\d, rerank;dur=0\.0, proxy;dur=\d+\.\d", got.headers["Server-Timing"])
    assert reranker.seen == []


@pytest.mark.parametrize(("rule", "client"), [("30s", "400ms"), ("400ms", "30s")])
async def test_the_deadline_is_the_earlier_one_of_rule_and_client(rule: str, client: str) -> None:
    def model(received: ReceivedRequest) -> FakeResponse:
        """Score the search that fetches the mapping at once, and the other one too late for any deadline."""
        scores = score_response(MODEL)(received)
        return replace(scores, seconds=60.0) if received.json["text_1"] == "leaking hose" else scores

    async with running(model=model, deadline=rule) as (proxy, _, _):
        while (await proxy.search("parts")).headers["X-Rerank"] == "skipped; why=mapping":
            pass
        started = time.monotonic()
        got = await proxy.search("leaking hose", headers=[("X-Rerank-Deadline", client)])
        seconds = time.monotonic() - started
    assert (got.status, got.ids, got.headers["X-Rerank"]) == (200, ["1", "2", "3", "4"], "failed; why=deadline")
    assert seconds < 15.0


@pytest.mark.parametrize(
    ("client", "window", "ids"),
    [("2", 2, ["2", "1", "3", "4"]), ("3", 3, ["3", "2", "1", "4"]), ("4", 4, ["3", "4", "2", "1"]), ("1000", 4, None)],
)
async def test_a_client_can_only_reduce_the_window(client: str, window: int, ids: list[str] | None) -> None:
    async with running(window=4) as (proxy, _, reranker):
        got = await proxy.search("leaking hose", headers=[("X-Rerank-Window", client)])
        assert sum(len(seen.json["text_2"]) for seen in reranker.seen) == window
    assert got.headers["X-Rerank"].startswith(f"reranked; window={window};")
    assert got.ids == (ids or ["3", "4", "2", "1"])


async def test_the_window_of_a_client_applies_to_each_of_many_searches() -> None:
    body = b'{}\n{"query":{"match":{"body":"leaking hose"}}}\n' * 2
    async with running(many) as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_msearch", body, [("X-Rerank-Window", "2")])
    assert [one.partition("; cached")[0] for one in got.headers["X-Rerank"].split(", ")] == ["reranked; window=2"] * 2


@pytest.mark.parametrize("value", ["1", "1001", "-5", "5.0", "ten", "", "9" * 5000, "\u0663"])
async def test_a_window_that_cannot_be_read_is_an_error(value: str) -> None:
    async with running() as (proxy, engine, _):
        got = await proxy.search(headers=[("X-Rerank-Window", value)])
    assert (got.status, engine.seen) == (400, [])
    assert got.json["error"]["reason"] == "X-Rerank-Window: must be a number from 2 to 1000"


async def test_a_deadline_that_cannot_be_read_is_an_error() -> None:
    async with running() as (proxy, engine, _):
        got = await proxy.search(headers=[("X-Rerank-Deadline", "soon")])
    assert (got.status, engine.seen) == (400, [])
    assert got.json["error"]["reason"].startswith("X-Rerank-Deadline: must be a duration of at most 10m with a unit")


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/_rerank"),
        ("GET", "/_rerank/"),
        ("GET", "/_rerank/metrics?x=%2F"),
        ("GET", "/_rerank/health/ready"),
        ("GET", "/%5Frerank/metrics"),
        ("GET", "/docs/..%2F_rerank/metrics"),
        ("POST", "/_rerank/rank"),
        ("DELETE", "/_rerank"),
    ],
)
@pytest.mark.parametrize("host", ["", "127.0.0.1:9281", "evil.example"])
async def test_the_address_for_clients_has_no_admin_pages(method: str, target: str, host: str) -> None:
    """A name of an index like any other, for what we know."""
    headers = [("Host", host)] if host else []
    body = b'{"query":"q","candidates":["a"]}' if method == "POST" else None
    async with running(search=FakeResponse(b'{"engine":1}', 418, [("X-Of", "engine")])) as (proxy, engine, reranker):
        got = await proxy.send(method, target, body, headers)
    assert (got.status, got.body, got.headers.get("X-Of")) == (418, b'{"engine":1}', "engine")
    assert [(seen.method, seen.target, seen.body) for seen in engine.seen] == [(method, target, body or b"")]
    assert reranker.seen == []


async def test_the_address_of_the_admin_pages_serves_everything_else_as_well() -> None:
    async with running() as (proxy, engine, _):
        found = [await one.search("leaking hose", size=3) for one in (proxy, proxy.pages)]
        passed = await proxy.pages.send("GET", "/docs/_source/%2F?a", None, [("Authorization", "ApiKey mine")])
    assert [got.ids for got in found] == [["3", "4", "2"]] * 2
    assert passed.status == 200
    assert (engine.seen[-1].target, engine.seen[-1].headers["Authorization"]) == ("/docs/_source/%2F?a", "ApiKey mine")


async def test_a_client_may_turn_reranking_off() -> None:
    async with running() as (proxy, engine, reranker):
        got = await proxy.search(size=2, headers=[("X-Rerank-Mode", " OFF ")])
    assert (got.ids, got.headers["X-Rerank"]) == (["1", "2"], "skipped; why=off")
    assert (engine.targets(), reranker.seen) == (["/docs/_search"], [])


FAILURES = {
    Why.BAD_ANSWER: FakeResponse(b"{}"),
    Why.RERANKER_ERROR: FakeResponse(b"oops", status=500),
    Why.REFUSED: FakeResponse(b"who are you", status=401),
    Why.OVERLOADED: FakeResponse(b"busy", status=429),
    Why.TOO_LONG: FakeResponse(b"too long", status=413),
    Why.DEADLINE: FakeResponse(b"{}", seconds=1),
}


async def test_a_mapping_that_is_late_is_used_by_the_next_search() -> None:
    caps = replace(CAPS, seconds=0.6)
    engine = FakeServer({"/docs/_field_caps": caps, "": page})
    async with (
        serve_fake(engine),
        serve_fake(FakeServer({"": score_response()})) as model,
        running_endpoint(fake_settings(engine, model)) as proxy,
    ):
        first = await proxy.search(size=2, headers=[("X-Rerank-Deadline", "500ms")])
        second = await proxy.search()
    assert (first.ids, first.headers["X-Rerank"]) == (["1", "2"], "skipped; why=mapping")
    assert second.headers["X-Rerank"].startswith("reranked")
    assert len([seen for seen in engine.seen if "_field_caps" in seen.target]) == 1


@pytest.mark.parametrize("why", FAILURES)
async def test_if_the_model_fails_the_client_gets_the_engines_page(why: Why) -> None:
    deadline = "400ms" if why is Why.DEADLINE else "10s"
    async with running(model=FAILURES[why], deadline=deadline) as (proxy, _, _):
        got = await proxy.search(**{"from": 1, "size": 2})
    assert (got.status, got.ids) == (200, ["2", "3"])
    assert got.headers["X-Rerank"] == f"failed; why={why}"
    assert [hit["_score"] for hit in got.json["hits"]["hits"]] == [8.0, 7.0]
    assert got.json["hits"]["max_score"] == 9.0


async def test_an_unreachable_rerank_server_leaves_the_engines_order() -> None:
    engine = FakeServer({"/docs/_field_caps": CAPS, "": page})
    async with serve_fake(engine), running_endpoint(fake_settings(engine)) as proxy:
        got = await proxy.search(size=1)
    assert (got.status, got.ids, got.headers["X-Rerank"]) == (200, ["1"], "failed; why=unreachable")


async def test_an_internal_failure_leaves_the_engines_response(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a failure of es-rerank")

    monkeypatch.setattr("es_rerank.server.handlers.search.run", broken)
    async with running() as (proxy, _, _):
        got = await proxy.search("leaking hose")
    assert got.status == 200
    assert got.ids == [key for key, _, _ in HITS]
    assert got.headers["X-Rerank"] == "failed; why=internal"


async def test_a_strict_rule_returns_an_error_that_no_client_retries(tmp_path: Path) -> None:
    (tmp_path / "docs.yaml").write_text("index: docs\nstrict: true\n")
    async with running(model=FakeResponse(b"oops", status=500), mappings=tmp_path) as (proxy, _, _):
        got = await proxy.search()
        skipped = await proxy.search(sort="date")
    assert (got.status, got.headers["X-Rerank"]) == (500, "failed; why=reranker_error")
    assert got.json["error"]["type"] == "rerank_exception"
    assert (skipped.status, skipped.headers["X-Rerank"]) == (200, "skipped; why=sort")


async def test_rules_choose_fields_and_template(tmp_path: Path) -> None:
    (tmp_path / "docs.yaml").write_text("index: docs\nfields: [body]\ntemplate: 'text: {body}'\nwindow: 2\n")
    async with running(mappings=tmp_path) as (proxy, engine, reranker):
        got = await proxy.search(size=4)
    assert reranker.seen[0].json["text_2"] == ["text: opening hours", "text: spare parts"]
    assert (got.ids, engine.targets()) == (["2", "1", "3", "4"], ["/docs/_search?from=0&size=4"])


async def test_an_error_of_the_engine_is_passed_on() -> None:
    error = FakeResponse(b'{"error":{"type":"index_not_found_exception"},"status":404}', status=404)
    async with running(error) as (proxy, _, _):
        got = await proxy.search()
    assert (got.status, got.body, got.headers["X-Rerank"]) == (404, error.body, "skipped; why=engine_error")


@pytest.mark.parametrize("body", [{"query": {"match": {"body": "x"}}}, {"sort": "date"}])
async def test_an_unreachable_engine_is_a_bad_gateway(body: dict[str, Any]) -> None:
    async with running_endpoint(fake_settings()) as proxy:
        got = await proxy.send("POST", "/docs/_search", body)
    assert (got.status, got.json["error"]["type"]) == (502, "upstream_unreachable_exception")
    assert got.headers["X-Rerank"].startswith("skipped; why=")


async def test_an_engine_response_that_is_cut_off_is_a_bad_gateway() -> None:
    async with running(FakeResponse([b'{"hits":'], cut_off=True)) as (proxy, _, _):
        got = await proxy.search()
    assert (got.status, got.headers["X-Rerank"]) == (502, "skipped; why=engine_error")


@pytest.mark.parametrize(
    "caps",
    [
        FakeResponse(b"", status=403),
        FakeResponse(b"{}"),
        FakeResponse(b"[]"),
        FakeResponse([b'{"fields"'], cut_off=True),
        FakeResponse(b"\xff"),
    ],
)
async def test_without_the_mapping_a_search_reaches_the_engine_unchanged(caps: FakeResponse) -> None:
    engine = FakeServer({"/docs/_field_caps": caps, "": page})
    async with (
        serve_fake(engine),
        serve_fake(FakeServer({"": score_response()})) as model,
        running_endpoint(fake_settings(engine, model)) as proxy,
    ):
        got = await proxy.search(size=2)
    assert (got.ids, got.headers["X-Rerank"]) == (["1", "2"], "skipped; why=mapping")


async def test_a_request_body_above_the_limit_is_streamed_through() -> None:
    body = b'{"query":{"match":{"body":"hose"}}}' + b" " * 3_000_000
    async with running(max_body=1024) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_search", body, {"Content-Type": "application/json"})
    assert got.headers["X-Rerank"] == "skipped; why=too_large"
    assert engine.seen[0].body == body


async def test_a_response_above_the_limit_is_streamed_through() -> None:
    async with running(max_answer=1024, search=FakeResponse(search_response(*HITS) + b" " * 2000)) as (proxy, _, _):
        got = await proxy.search()
    assert got.headers["X-Rerank"] == "skipped; why=engine_error"
    assert len(got.body) > 2000


@pytest.mark.parametrize(
    ("coding", "body", "why"),
    [
        ("gzip", gzip.compress(b'{"query":{"match":{"body":"hose"}}}', mtime=0), None),
        ("gzip", gzip.compress(b" " * 20_000_000, mtime=0), Why.FORMAT),
        ("gzip", b"no gzip", Why.FORMAT),
        ("br", b"anything", Why.FORMAT),
    ],
)
async def test_compressed_requests(coding: str, body: bytes, why: Why | None) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    async with running(FakeResponse(search_response(*HITS))) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_search", body, headers)
    sent = engine.seen[-1]
    if why:
        assert (got.headers["X-Rerank"], sent.body, sent.headers["Content-Encoding"]) == (
            f"skipped; why={why}",
            body,
            coding,
        )
    else:
        assert got.headers["X-Rerank"].startswith("reranked")
        assert "Content-Encoding" not in sent.headers
        assert sent.json == {"query": {"match": {"body": "hose"}}}


@pytest.mark.parametrize("target", ["/docs/_search?q=mend%20hose&size=2", "/docs/_search?size=2&q=body:(mend+hose)"])
async def test_searches_without_a_body(target: str) -> None:
    async with running() as (proxy, engine, reranker):
        got = await proxy.send("GET", target)
    assert got.ids == ["3", "4"]
    assert reranker.seen[0].json["text_1"] == "mend hose"
    assert (engine.seen[-1].method, engine.seen[-1].body) == ("GET", b"")


async def test_the_model_reads_fields_that_the_client_does_not_ask_for() -> None:
    rows = [
        {"_index": "docs", "_id": str(at), "_score": 9.0 - at, "fields": {"body": [text]}}
        for at, (_, _, text) in enumerate(HITS)
    ]
    said = FakeResponse(json.dumps({"hits": {"max_score": 9.0, "hits": rows}}).encode())
    async with running(said) as (proxy, engine, _):
        got = await proxy.search(_source=False, collapse={"field": "tag"})
    assert engine.seen[-1].json["fields"] == ["title", "body"]
    assert got.ids == ["2", "3", "1", "0"]
    assert all("fields" not in hit for hit in got.json["hits"]["hits"])


async def test_a_raw_path_is_not_decoded() -> None:
    async with running() as (proxy, engine, _):
        got = await proxy.search(target="/%3Clogs-%7Bnow%2Fd%7D%3E/_search?pretty")
    assert got.headers["X-Rerank"] == "skipped; why=mapping"
    assert engine.targets() == ["/%3Clogs-%7Bnow%2Fd%7D%3E/_search?pretty"]
    assert engine.seen[0].target.startswith("/%3Clogs-%7Bnow%2Fd%7D%3E/_field_caps?")


async def test_an_absolute_target_is_read_like_its_path() -> None:
    async with running() as (proxy, engine, _):
        host, _, port = proxy.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET http://elsewhere/docs/_search?q=hose HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = await reader.read()
        writer.close()
    assert got.startswith(b"HTTP/1.1 200 OK")
    assert b"X-Rerank: reranked" in got
    assert engine.targets() == ["/docs/_search?q=hose&from=0&size=50"]


async def test_an_internal_failure_without_a_search_is_an_error_in_the_engines_format(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a failure of es-rerank")

    monkeypatch.setattr("es_rerank.server.dispatch.pass_request", broken)
    async with running() as (proxy, _, _):
        got = await proxy.send("GET", "/_cat/health")
    assert (got.status, got.json["status"], got.json["error"]["type"]) == (500, 500, "es_rerank_exception")


async def test_equal_concurrent_searches_are_scored_once() -> None:
    async with running() as (proxy, _, reranker):
        found = await asyncio.gather(*(proxy.search(size=1) for _ in range(20)))
    assert {tuple(got.ids) for got in found} == {("3",)}
    assert len(reranker.seen) == 1
