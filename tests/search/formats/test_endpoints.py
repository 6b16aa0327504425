from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import Skip, Why
from es_rerank.search.formats.endpoints import (
    Endpoint,
    EndpointRequest,
    Role,
    in_force,
    index_options,
    match,
    parameters,
)
from es_rerank.search.formats.parse import parse


@pytest.mark.parametrize(
    ("request_line", "endpoint", "target", "id_"),
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
def test_a_request_to_a_known_endpoint_is_recognized(request_line: str, endpoint: str, target: str, id_: str) -> None:
    method, _, path = request_line.partition(" ")
    found = match(method, path, {})
    assert found is not None
    assert (found.endpoint, found.target, found.id) == (endpoint, target, id_)


@pytest.mark.parametrize("path", ["/_inference/rerank/mine", "/_inference/rerank/min%65"])
def test_inference_is_only_for_the_listed_ids(path: str) -> None:
    found = match("POST", path, {}, in_force({"mine", "other"}))
    assert found is not None
    assert (found.id, found.role) == ("mine", Role.OWN)
    assert match("POST", path, {}, in_force({"other"})) is None
    search_request = match("POST", "/a/_search", {}, in_force(()))
    assert search_request is not None
    assert search_request.role is Role.SEARCHES


@pytest.mark.parametrize(
    "request_line",
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
def test_any_other_request_is_passed_through(request_line: str) -> None:
    method, _, path = request_line.partition(" ")
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
def test_parameters_are_decoded(query_string: str, expected: dict[str, str]) -> None:
    assert parameters(query_string) == expected
    assert EndpointRequest("docs", query_string).params == expected


@given(st.text(), st.sampled_from(["GET", "POST", "PUT"]))
def test_any_path_is_matched_or_passed_through(path: str, method: str) -> None:
    match(method, path, {})
    match(method, f"/{path}/_search", {})


@pytest.mark.parametrize(("size", "expected"), [(16_384, None), (16_385, Why.TOO_COMPLEX)])
def test_a_query_string_has_at_most_16_kibibytes(size: int, expected: Why | None) -> None:
    found = parse(EndpointRequest("docs", "q=".ljust(size, "a")), b"{}")
    assert (found.why if isinstance(found, Skip) else None) is expected


def test_options_of_the_index_expression_are_sorted_by_name() -> None:
    given = {"size": "3", "ignore_unavailable": "true", "allow_no_indices": "false", "expand_wildcards": "open"}
    assert index_options(given) == (
        ("allow_no_indices", "false"),
        ("expand_wildcards", "open"),
        ("ignore_unavailable", "true"),
    )
    assert index_options({"size": "3"}) == ()


def test_the_target_of_a_path_takes_precedence_over_the_parameter() -> None:
    found = [match("POST", path, {}) for path in ("/a/_search?index=b", "/_search?index=b")]
    assert [one and one.target for one in found] == ["a", ""]


@pytest.mark.parametrize(("count", "expected"), [(1000, None), (1001, Why.TOO_LARGE)])
@pytest.mark.parametrize("endpoint", [Endpoint.MULTI_SEARCH, Endpoint.RANK_EVAL])
def test_a_request_has_at_most_1000_searches(endpoint: Endpoint, count: int, expected: Why | None) -> None:
    rated = b'{"requests":[%b],"metric":{"precision":{}}}' % b",".join([b'{"request":{}}'] * count)
    body = b"{}\n{}\n" * count if endpoint is Endpoint.MULTI_SEARCH else rated
    found = parse(EndpointRequest("docs", endpoint=endpoint), body)
    assert (found.why if isinstance(found, Skip) else None) is expected
