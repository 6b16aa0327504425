"""Responses for clients of another engine version, and for clients that discover nodes."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from es_rerank.testing import FakeResponse, ReceivedRequest, RunningEndpoint
from tests.server.handlers.engine import HOSE, running

VENDOR = "application/vnd.elasticsearch+json; compatible-with=8"
TYPED = {"Accept": VENDOR, "Content-Type": VENDOR}
JSON = ("Content-Type", "application/json; charset=UTF-8")
OPENSEARCH = {"name": "n", "version": {"distribution": "opensearch", "number": "3.6.0"}, "tagline": "The OpenSearch"}
ELASTICSEARCH = {"name": "n", "version": {"number": "8.19.0"}, "tagline": "You Know, for Search"}
NODES = {"nodes": {"a": {"http": {"publish_address": "10.0.0.1:9200"}}}}


def info(said: Any) -> dict[str, Any]:
    """Make a row for `GET /` that is found behind all others."""
    return {"/?": FakeResponse(b"?"), "/": lambda seen: root(seen, said)}


def root(seen: ReceivedRequest, said: Any) -> FakeResponse:
    if seen.target == "/":
        return FakeResponse(json.dumps(said).encode(), headers=[JSON])
    if seen.target.endswith("/point_in_time?keep_alive=1m"):
        return FakeResponse(b'{"pit_id":"p1","_shards":{"total":1}}', headers=[JSON])
    if seen.target == "/_search/point_in_time":
        return FakeResponse(b'{"pits":[{"pit_id":"p1","successful":true}]}', headers=[JSON])
    return FakeResponse(b'{"mine":true}', status=404, headers=[JSON])


async def test_an_opensearch_is_presented_as_elasticsearch() -> None:
    async with running(info(OPENSEARCH), emulate="elasticsearch-8") as (proxy, engine, _):
        got = await proxy.send("GET", "/", headers={"Accept": VENDOR})
        head = await proxy.send("HEAD", "/", headers={"Accept": VENDOR})
    assert got.json["version"] == {"build_flavor": "default", "number": "8.19.0"}
    assert got.headers.getall("X-Elastic-Product") == head.headers.getall("X-Elastic-Product") == ["Elasticsearch"]
    assert got.headers["Content-Type"] == "application/vnd.elasticsearch+json;compatible-with=8"
    assert "X-Rerank" not in got.headers
    assert "Server-Timing" not in got.headers
    assert engine.seen[0].headers["Accept"] == "application/json"


async def test_an_engine_without_a_root_page_gets_one() -> None:
    says = {
        "/_nodes/_local": FakeResponse(b'{"cluster_name":"c","nodes":{"x":{"name":"n"}}}', headers=[JSON]),
        "/": FakeResponse(b'{"error":"Incorrect HTTP method for uri [/]","status":405}', status=405, headers=[JSON]),
    }
    async with running({"/_search": FakeResponse(b""), **says}, emulate="elasticsearch-8") as (proxy, _, _):
        got = await proxy.send("GET", "/", headers={"Accept": VENDOR})
    assert (got.status, got.json["name"], got.json["version"]["number"]) == (200, "n", "8.19.0")
    assert got.headers.getall("X-Elastic-Product") == ["Elasticsearch"]


async def opened_and_closed(proxy: RunningEndpoint) -> tuple[Any, Any]:
    opened = await proxy.send("POST", "/docs/_pit?keep_alive=1m", headers={"Accept": VENDOR})
    closed = await proxy.send("DELETE", "/_pit", {"id": "p1"}, TYPED)
    return opened, closed


async def test_points_in_time_are_opened_and_closed_in_the_format_of_opensearch() -> None:
    async with running(info(OPENSEARCH), emulate="elasticsearch-9") as (proxy, engine, _):
        opened, closed = await opened_and_closed(proxy)
    assert opened.json == {"id": "p1", "_shards": {"total": 1}}
    assert closed.json == {"succeeded": True, "num_freed": 1}
    assert [(seen.method, seen.target) for seen in engine.seen] == [
        ("GET", "/"),
        ("POST", "/docs/_search/point_in_time?keep_alive=1m"),
        ("DELETE", "/_search/point_in_time"),
    ]
    assert engine.seen[-1].json == {"pit_id": ["p1"]}


async def test_points_in_time_of_elasticsearch_are_passed_through() -> None:
    async with running(info(ELASTICSEARCH), emulate="elasticsearch-9") as (proxy, engine, _):
        opened, closed = await opened_and_closed(proxy)
    assert (opened.status, closed.status) == (404, 404)
    assert [seen.target for seen in engine.seen] == ["/", "/docs/_pit?keep_alive=1m", "/_pit"]
    assert engine.seen[-1].json == {"id": "p1"}


@pytest.mark.parametrize(
    ("own", "target"),
    [
        ([], "/docs/_search/point_in_time?keep_alive=1m"),
        ([("X-Elastic-Product", "Elasticsearch")], "/docs/_pit?keep_alive=1m"),
    ],
)
async def test_without_a_root_page_the_product_header_names_the_engine(own: Any, target: str) -> None:
    """What clients are shown names Elasticsearch in any case, so that cannot tell."""

    def forbidden(seen: ReceivedRequest) -> FakeResponse:
        status = 403 if seen.target == "/" else 200
        return FakeResponse(b'{"pit_id":"p1"}', status=status, headers=[JSON, *own])

    async with running({"/?": FakeResponse(b"?"), "/": forbidden}, emulate="elasticsearch-8") as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_pit?keep_alive=1m", headers={"Accept": VENDOR})
    assert got.status == 200
    assert [seen.target for seen in engine.seen] == ["/", target]


async def test_errors_and_unreadable_requests_are_passed_through() -> None:
    async with running(info(OPENSEARCH), emulate="elasticsearch-8") as (proxy, engine, _):
        failed = await proxy.send("POST", "/docs/_pit", headers={"Accept": VENDOR})
        assert (failed.status, failed.json) == (404, {"mine": True})
        for odd in (b"no json", b"{}", b"[]"):
            got = await proxy.send("DELETE", "/_pit", odd, TYPED)
            assert (got.status, engine.seen[-1].target, engine.seen[-1].body) == (404, "/_pit", odd)


@pytest.mark.parametrize(
    ("method", "target", "body"), [("POST", "/docs/_pit", None), ("DELETE", "/_pit", b'{"id":"p1"}')]
)
async def test_a_point_in_time_in_another_format_is_forwarded_in_the_format_of_opensearch(
    method: str, target: str, body: bytes | None
) -> None:
    async with running(info(OPENSEARCH), emulate="elasticsearch-9") as (proxy, engine, _):
        await proxy.send(method, f"{target}?format=yaml", body, [JSON])
    sent = engine.seen[-1]
    index = target.removesuffix("/_pit")
    assert (sent.method, sent.target) == (method, f"{index}/_search/point_in_time?format=yaml")
    assert sent.body == (b"" if body is None else b'{"pit_id":["p1"]}')
    assert sent.headers.get("Content-Length", "0") == str(len(sent.body))


@pytest.mark.parametrize("publish_address", [None, "search.example:80"])
async def test_clients_that_discover_nodes_find_this_endpoint(publish_address: str | None) -> None:
    said = FakeResponse(json.dumps(NODES).encode())
    async with running({"/_nodes": said}, sniff="rewrite", publish_address=publish_address) as (proxy, _, _):
        got = await proxy.send("GET", "/_nodes/_all/http?timeout=1s")
        own = proxy.url.removeprefix("http://")
    assert got.json == {"nodes": {"a": {"http": {"publish_address": publish_address or own}}}}


async def test_a_compressed_response_stays_compressed() -> None:
    said = FakeResponse(gzip.compress(json.dumps(NODES).encode()), headers=[("Content-Encoding", "gzip"), JSON])
    async with running({"/_nodes": said}, sniff="rewrite") as (proxy, _, _):
        got = await proxy.send("GET", "/_nodes/http", headers={"Accept-Encoding": "gzip"})
    assert b"10.0.0.1" not in gzip.decompress(got.body)
    assert got.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("headers", [{}, {"X-Rerank-Mode": "off"}])
async def test_by_default_these_responses_are_passed_through(headers: dict[str, str]) -> None:
    async with running({"/_nodes": FakeResponse(json.dumps(NODES).encode()), **info(OPENSEARCH)}) as (proxy, _, _):
        assert (await proxy.send("GET", "/_nodes/http", headers=headers)).json == NODES
        assert (await proxy.send("GET", "/", headers=headers)).json == OPENSEARCH


async def test_the_mode_off_does_not_change_which_engine_is_presented() -> None:
    async with running(info(OPENSEARCH), emulate="elasticsearch-8") as (proxy, _, _):
        got = await proxy.send("GET", "/", headers={"X-Rerank-Mode": "off"})
    assert got.json["version"]["number"] == "8.19.0"


async def test_a_reranked_search_has_the_media_type_of_its_client() -> None:
    async with running(emulate="elasticsearch-8") as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_search", HOSE, TYPED)
    assert got.headers["X-Rerank"].startswith("reranked")
    assert got.headers["Content-Type"] == "application/vnd.elasticsearch+json;compatible-with=8"
    assert engine.seen[-1].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_an_engine_that_refuses_its_root_page_is_not_asked_for_its_nodes(status: int) -> None:
    refused = FakeResponse(b'{"error":{"type":"security_exception"}}', status=status, headers=[JSON])
    async with running({"/?": FakeResponse(b"?"), "/": refused}, emulate="elasticsearch-8") as (proxy, engine, _):
        got = await proxy.send("GET", "/", headers={"Accept": VENDOR})
    assert (got.status, got.body) == (status, refused.body)
    assert {seen.target for seen in engine.seen} == {"/"}


@pytest.mark.parametrize("body", [b"no json", b"[]", b"{}", b"3", b'{"version":3}'])
async def test_a_root_page_of_another_format_is_unchanged(body: bytes) -> None:
    said = FakeResponse(body, headers=[JSON])
    async with running({"/?": FakeResponse(b"?"), "/": said}, emulate="elasticsearch-8") as (proxy, engine, _):
        got = await proxy.send("GET", "/", headers={"Accept": VENDOR})
    assert (got.status, got.body) == (200, body)
    assert [seen.target for seen in engine.seen] == ["/"]


@pytest.mark.parametrize("body", [b"no json", b"[]", b"{}", b'{"pits":3}', b'{"pits":[3]}'])
async def test_a_response_of_another_format_to_closing_a_point_in_time_is_unchanged(body: bytes) -> None:
    says = {"/_search/point_in_time": FakeResponse(body, headers=[JSON]), **info(OPENSEARCH)}
    async with running(says, emulate="elasticsearch-9") as (proxy, _, _):
        got = await proxy.send("DELETE", "/_pit", {"id": "p1"}, TYPED)
    assert (got.status, got.body) == (200, body)
