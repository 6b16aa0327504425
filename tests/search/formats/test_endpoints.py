from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import Search, Skip, Why
from es_rerank.search.formats.endpoints import EndpointRequest, in_force, match, parameters, read
from tests.search.strategies import JSON


@pytest.mark.parametrize(
    ("request_", "endpoint", "target", "id_"),
    [
        ("GET /_search", "_search", "", ""),
        ("POST /library,papers-*,-papers-old/_search", "_search", "library,papers-*,-papers-old", ""),
        ("GET /%3Clogs-%7Bnow%2Fd%7D%3E/_search?x=1", "_search", "<logs-{now/d}>", ""),
        ("POST /_all/_search/", "_search", "_all", ""),
        ("POST /library/book/_search", "_search", "library", ""),
        ("GET /remote:logs-*/_search", "_search", "remote:logs-*", ""),
        ("GET /_search/template", "_search/template", "", ""),
        ("POST /a/_msearch", "_msearch", "a", ""),
        ("GET /_msearch/template", "_msearch/template", "", ""),
        ("POST /a/_async_search", "_async_search", "a", ""),
        ("POST /_plugins/_asynchronous_search?index=a,b", "_async_search", "a,b", ""),
        ("POST /_opendistro/_asynchronous_search", "_async_search", "", ""),
        ("GET /_async_search/Fm%3D.r1x", "_async_search/{id}", "", "Fm=.r1x"),
        ("DELETE /_async_search/Fm", "_async_search/{id}", "", "Fm"),
        ("GET /_async_search/status/Fm", "_async_search/{id}", "", "Fm"),
        ("DELETE /_plugins/_asynchronous_search/Fm", "_async_search/{id}", "", "Fm"),
        ("POST /a/_rank_eval", "_rank_eval", "a", ""),
        ("POST /_inference/rerank/mine", "_inference/{id}", "", "mine"),
        ("POST /_inference/mine", "_inference/{id}", "", "mine"),
    ],
)
def test_endpoints(request_: str, endpoint: str, target: str, id_: str) -> None:
    method, _, path = request_.partition(" ")
    found = match(method, path, {})
    assert found is not None
    assert (found.endpoint, found.target, found.id) == (endpoint, target, id_)


@pytest.mark.parametrize("path", ["/_inference/rerank/mine", "/_inference/rerank/min%65"])
def test_an_inference_is_for_the_ids_that_are_listed(path: str) -> None:
    found = match("POST", path, {}, in_force({"mine", "other"}))
    assert found is not None
    assert (found.id, found.ours) == ("mine", True)
    assert match("POST", path, {}, in_force({"other"})) is None
    searched = match("POST", "/a/_search", {}, in_force(()))
    assert searched is not None
    assert not searched.ours


@pytest.mark.parametrize(
    "request_",
    [
        "GET /library/_doc/1",
        "POST /library/_count",
        "POST /_search/scroll",
        "HEAD /library/_search",
        "PUT /library/_doc/_search",
        "POST //_search",
        "GET /_cat/_search",
        "GET /library/_async_search",
        "GET /_async_search/status",
        "GET /_plugins/_asynchronous_search/stats",
        "PUT /_inference/rerank/mine",
        "GET /_inference/rerank/mine",
        "POST /_inference/rerank/mine/_stream",
        "POST /library/_explain/1",
    ],
)
def test_anything_else_is_streamed_through(request_: str) -> None:
    method, _, path = request_.partition(" ")
    assert match(method, path, {}) is None


@pytest.mark.parametrize(
    ("query_string", "expected"),
    [
        ("", {}),
        ("a=1&b=x%20y+z", {"a": "1", "b": "x y z"}),
        ("a=1&a=2", {"a": "2"}),
        ("pretty&=&a==", {"pretty": "", "": "", "a": "="}),
        ("%E4%B8%AD=%ff", {"中": "\ufffd"}),
    ],
)
def test_parameters(query_string: str, expected: dict[str, str]) -> None:
    assert parameters(query_string) == expected


@pytest.mark.parametrize(
    ("query_string", "body"),
    [
        ('source={"size":1}&source_content_type=application/json', b' {"size":2} '),
        ('source={"size":1}', b""),
        ("q=a;size=1", b""),
    ],
)
def test_what_engines_refuse_or_read_in_their_own_ways_is_left_to_them(query_string: str, body: bytes) -> None:
    assert read(EndpointRequest("", query_string), body) == Skip(Why.UNREADABLE)


@given(st.binary() | JSON.map(msgspec.json.encode), st.text(), st.text(max_size=20))
def test_no_bytes_are_an_error(body: bytes, query_string: str, accept: str) -> None:
    found = read(EndpointRequest("", query_string, {"Accept": accept, "Content-Type": accept}), body)
    assert isinstance(found, Search) or found.why in {Why.UNREADABLE, Why.FORMAT}


@given(st.text(), st.sampled_from(["GET", "POST", "PUT"]))
def test_no_path_is_an_error(path: str, method: str) -> None:
    match(method, path, {})
    match(method, f"/{path}/_search", {})


def levels(count: int) -> bytes:
    return b'{"aggs":' + b"[" * count + b"]" * count + b"}"


def test_what_is_read_can_be_read_again_deeper_in_the_program() -> None:
    deepest = max(
        count for count in range(400, 1000) if isinstance(read(EndpointRequest("docs"), levels(count)), Search)
    )

    def deeper(calls: int) -> object:
        return deeper(calls - 1) if calls else msgspec.json.decode(levels(deepest))

    assert deeper(40)
