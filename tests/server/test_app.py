"""The endpoint in process, between a client, a fake engine and a fake rerank app."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank import testing
from es_rerank.model import Why
from es_rerank.server import app
from es_rerank.server.state import STATE
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


async def test_a_search_comes_back_in_a_better_order() -> None:
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


async def test_the_answers_head_is_the_engines_with_two_lines_more() -> None:
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
    assert timing.startswith("engine;dur=")
    assert ", rerank;dur=" in timing
    assert got.headers["Content-Length"] == str(len(got.body))


async def test_pages_are_slices_of_one_window_and_cost_the_model_once() -> None:
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
async def test_what_is_no_case_for_the_model_goes_as_it_came(method: str, target: str, body: bytes, why: Why) -> None:
    said = FakeResponse(b"anything: at all", status=200, headers=[("Content-Type", "x/y")])
    async with running(said) as (proxy, engine, reranker):
        got = await proxy.send(method, target, body or None, {"Content-Type": "application/json"})
    assert (got.body, got.headers["Content-Type"], got.headers["X-Rerank"]) == (said.body, "x/y", f"skipped; why={why}")
    assert (engine.seen[-1].target, engine.seen[-1].body) == (target, body)
    assert "Server-Timing" not in got.headers
    assert reranker.seen == []


@pytest.mark.parametrize(("rule", "asked", "why"), [("10s", "400ms", "deadline"), ("400ms", "10s", "deadline")])
async def test_a_client_may_wait_for_less_than_the_rule_says_and_never_for_more(
    rule: str, asked: str, why: str
) -> None:
    async with running(model=FakeResponse(b"{}", seconds=1), deadline=rule) as (proxy, _, _):
        got = await proxy.search(headers=[("X-Rerank-Deadline", asked)])
    assert (got.status, got.ids, got.headers["X-Rerank"]) == (200, ["1", "2", "3", "4"], "failed; why=deadline")


async def test_a_deadline_that_is_none_is_said_to_be() -> None:
    async with running() as (proxy, engine, _):
        got = await proxy.search(headers=[("X-Rerank-Deadline", "soon")])
    assert (got.status, engine.seen) == (400, [])
    assert got.json["error"]["reason"].startswith("X-Rerank-Deadline: must be a duration of at most 10m")


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
async def test_where_clients_connect_there_are_no_admin_listen(method: str, target: str, host: str) -> None:
    """A name of an index like any other, for what we know."""
    headers = [("Host", host)] if host else []
    body = b'{"query":"q","candidates":["a"]}' if method == "POST" else None
    async with running(search=FakeResponse(b'{"engine":1}', 418, [("X-Of", "engine")])) as (proxy, engine, reranker):
        got = await proxy.send(method, target, body, headers)
    assert (got.status, got.body, got.headers.get("X-Of")) == (418, b'{"engine":1}', "engine")
    assert [(seen.method, seen.target, seen.body) for seen in engine.seen] == [(method, target, body or b"")]
    assert reranker.seen == []


async def test_at_the_address_of_the_admin_listen_all_else_is_as_where_clients_connect() -> None:
    async with running() as (proxy, engine, _):
        found = [await one.search("leaking hose", size=3) for one in (proxy, proxy.pages)]
        passed = await proxy.pages.send("GET", "/docs/_source/%2F?a", None, [("Authorization", "ApiKey mine")])
    assert [got.ids for got in found] == [["3", "4", "2"]] * 2
    assert passed.status == 200
    assert (engine.seen[-1].target, engine.seen[-1].headers["Authorization"]) == ("/docs/_source/%2F?a", "ApiKey mine")


async def test_off_is_off() -> None:
    async with running() as (proxy, engine, reranker):
        got = await proxy.search(size=2, headers=[("X-Rerank-Mode", " OFF ")])
    assert (got.ids, got.headers["X-Rerank"]) == (["1", "2"], "skipped; why=off")
    assert (engine.targets(), reranker.seen) == (["/docs/_search"], [])


FAULTS = {
    Why.BAD_ANSWER: FakeResponse(b"{}"),
    Why.RERANKER_ERROR: FakeResponse(b"oops", status=500),
    Why.REFUSED: FakeResponse(b"who are you", status=401),
    Why.OVERLOADED: FakeResponse(b"busy", status=429),
    Why.TOO_LONG: FakeResponse(b"too long", status=413),
    Why.DEADLINE: FakeResponse(b"{}", seconds=1),
}


async def test_a_mapping_that_does_not_come_in_time_is_left_to_the_next_search() -> None:
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


@pytest.mark.parametrize("why", FAULTS)
async def test_whatever_the_model_does_the_client_gets_the_engines_page(why: Why) -> None:
    deadline = "400ms" if why is Why.DEADLINE else "10s"
    async with running(model=FAULTS[why], deadline=deadline) as (proxy, _, _):
        got = await proxy.search(**{"from": 1, "size": 2})
    assert (got.status, got.ids) == (200, ["2", "3"])
    assert got.headers["X-Rerank"] == f"failed; why={why}"
    assert [hit["_score"] for hit in got.json["hits"]["hits"]] == [8.0, 7.0]
    assert got.json["hits"]["max_score"] == 9.0


async def test_a_model_that_is_not_there_costs_nothing_but_the_order() -> None:
    engine = FakeServer({"/docs/_field_caps": CAPS, "": page})
    async with serve_fake(engine), running_endpoint(fake_settings(engine)) as proxy:
        got = await proxy.search(size=1)
    assert (got.status, got.ids, got.headers["X-Rerank"]) == (200, ["1"], "failed; why=unreachable")


async def test_a_fault_of_our_own_leaves_the_engines_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of our own")

    monkeypatch.setattr("es_rerank.server.handlers.search.run", broken)
    async with running() as (proxy, _, _):
        got = await proxy.search("leaking hose")
    assert got.status == 200
    assert got.ids == [key for key, _, _ in HITS]
    assert got.headers["X-Rerank"] == "failed; why=internal"


async def test_strict_rules_want_an_error_that_no_client_retries(tmp_path: Path) -> None:
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


async def test_an_engine_error_is_the_engines_own() -> None:
    error = FakeResponse(b'{"error":{"type":"index_not_found_exception"},"status":404}', status=404)
    async with running(error) as (proxy, _, _):
        got = await proxy.search()
    assert (got.status, got.body, got.headers["X-Rerank"]) == (404, error.body, "skipped; why=engine_error")


@pytest.mark.parametrize("body", [{"query": {"match": {"body": "x"}}}, {"sort": "date"}])
async def test_an_engine_that_is_gone_is_a_bad_gateway(body: dict[str, Any]) -> None:
    async with running_endpoint(fake_settings()) as proxy:
        got = await proxy.send("POST", "/docs/_search", body)
    assert (got.status, got.json["error"]["type"]) == (502, "upstream_unreachable_exception")
    assert got.headers["X-Rerank"].startswith("skipped; why=")


async def test_an_engine_that_breaks_off_in_its_answer_is_a_bad_gateway() -> None:
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
async def test_without_the_mapping_a_search_goes_as_it_came(caps: FakeResponse) -> None:
    engine = FakeServer({"/docs/_field_caps": caps, "": page})
    async with (
        serve_fake(engine),
        serve_fake(FakeServer({"": score_response()})) as model,
        running_endpoint(fake_settings(engine, model)) as proxy,
    ):
        got = await proxy.search(size=2)
    assert (got.ids, got.headers["X-Rerank"]) == (["1", "2"], "skipped; why=mapping")


async def test_a_body_too_large_to_plan_streams_through() -> None:
    body = b'{"query":{"match":{"body":"hose"}}}' + b" " * 3_000_000
    async with running(max_body=1024) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_search", body, {"Content-Type": "application/json"})
    assert got.headers["X-Rerank"] == "skipped; why=too_large"
    assert engine.seen[0].body == body


async def test_an_answer_too_large_to_rewrite_streams_through() -> None:
    async with running(max_answer=1024, search=FakeResponse(search_response(*HITS) + b" " * 2000)) as (proxy, _, _):
        got = await proxy.search()
    assert got.headers["X-Rerank"] == "skipped; why=engine_error"
    assert len(got.body) > 2000


@pytest.mark.parametrize(
    ("coding", "body", "why"),
    [
        ("gzip", gzip.compress(b'{"query":{"match":{"body":"hose"}}}'), None),
        ("gzip", gzip.compress(b" " * 20_000_000), Why.FORMAT),
        ("gzip", b"no gzip", Why.FORMAT),
        ("br", b"anything", Why.FORMAT),
    ],
)
async def test_coded_requests(coding: str, body: bytes, why: Why | None) -> None:
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


async def test_text_that_the_client_does_not_want_to_see_is_read_all_the_same() -> None:
    rows = [
        {"_index": "docs", "_id": str(at), "_score": 9.0 - at, "fields": {"body": [text]}}
        for at, (_, _, text) in enumerate(HITS)
    ]
    said = FakeResponse(json.dumps({"hits": {"max_score": 9.0, "hits": rows}}).encode())
    async with running(said) as (proxy, engine, _):
        got = await proxy.search(_source=False, collapse={"field": "tag"})
    assert engine.seen[-1].json["fields"] == ["body", "title"]
    assert got.ids == ["2", "3", "1", "0"]
    assert all("fields" not in hit for hit in got.json["hits"]["hits"])


async def test_a_raw_path_stays_raw_in_a_planned_search() -> None:
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


async def test_a_fault_outside_of_searches_is_an_error_in_the_engines_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of our own")

    monkeypatch.setattr("es_rerank.server.app.relay", broken)
    async with running() as (proxy, _, _):
        got = await proxy.send("GET", "/_cat/health")
    assert (got.status, got.json["status"], got.json["error"]["type"]) == (500, 500, "es_rerank_exception")


async def test_many_searches_at_a_time() -> None:
    async with running() as (proxy, _, reranker):
        found = await asyncio.gather(*(proxy.search(size=1) for _ in range(20)))
    assert {tuple(got.ids) for got in found} == {("3",)}
    assert len(reranker.seen) == 1


async def test_an_endpoint_that_ends_gives_the_engines_order_to_who_waits_for_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "_GRACE_SECONDS", 20.0)
    monkeypatch.setattr(app, "_LAST_SECONDS", 19.9)
    async with running(model=FakeResponse(b"", seconds=60), deadline="30s") as (proxy, _, reranker):
        searching = asyncio.create_task(proxy.search("leaking hose"))
        await reranker.reached(1)
    got = await searching
    assert got.ids == [one for one, _, _ in HITS]
    assert got.headers["X-Rerank"] == "failed; why=deadline"


async def test_how_the_reranker_stands_is_told_to_the_metrics_though_nobody_asks_here() -> None:
    running = app.runner(fake_settings(self_test=True))
    with capture_logs():
        await running.setup()
        metrics = running.app[STATE].metrics
        try:
            async with asyncio.timeout(5):
                while b"es_rerank_degraded 1.0" not in metrics.text():  # noqa: ASYNC110 - a gauge sets no event
                    await asyncio.sleep(0.02)
            assert b"es_rerank_reranker_servers_unavailable 1.0" in metrics.text()
        finally:
            await running.cleanup()
