from __future__ import annotations

import pytest

from es_rerank.search.engine_request.by_endpoint import (
    ENGINE_REQUESTS,
    MULTI_REQUESTS,
    EngineRequest,
    engine_request,
    multi_search_request,
    rank_eval_request,
)
from es_rerank.search.formats.endpoints import ENDPOINTS, Endpoint, EndpointRequest, ParsedSearch, match
from tests.search.builders import a_plan, a_search

PLAN = a_plan()
BODY = b'{"n":1.50}'
LINE = b'{"n":1.50,"from":0,"size":50}'
TEMPLATE = b'{"source":"{{{search}}}","params":{"search":"{\\"n\\":1.50,\\"from\\":0,\\"size\\":50}"}}'


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/docs/_search?pretty&size=3", EngineRequest("/docs/_search", "pretty&from=0&size=50", BODY)),
        ("/docs/_search/template?pretty&source=x", EngineRequest("/docs/_search/template", "pretty", TEMPLATE)),
        ("/docs/_msearch?typed_keys&filter_path=x", EngineRequest("/docs/_msearch", "typed_keys&filter_path=**", LINE)),
        ("/_msearch/template/", EngineRequest("/_msearch", "", LINE)),
        (
            "/docs/_async_search?keep_alive=1m",
            EngineRequest("/docs/_async_search", "keep_alive=1m&from=0&size=50", BODY),
        ),
        ("/docs/_rank_eval?source=x", EngineRequest("/docs/_msearch", "", LINE)),
        (
            "/docs/_rank_eval?ignore_unavailable=true&pretty&search_type=dfs_query_then_fetch&filter_path=x",
            EngineRequest("/docs/_msearch", "ignore_unavailable=true&search_type=dfs_query_then_fetch", LINE),
        ),
    ],
)
def test_a_planned_search_is_written_for_its_endpoint(target: str, expected: EngineRequest) -> None:
    request = match("POST", target, {})
    assert request is not None
    assert engine_request(request, a_search(BODY), PLAN) == expected


def test_every_endpoint_that_plans_has_a_row() -> None:
    planned = {row.endpoint for row in ENDPOINTS} - {Endpoint.ASYNC_SEARCH_ID, Endpoint.INFERENCE}
    assert set(ENGINE_REQUESTS) == planned
    assert set(MULTI_REQUESTS) < planned


def test_asynchronous_and_rated_searches_have_one_phase() -> None:
    assert {endpoint for endpoint, row in ENGINE_REQUESTS.items() if not row.two_phase} == {
        Endpoint.ASYNC_SEARCH,
        Endpoint.RANK_EVAL,
    }


@pytest.mark.parametrize(("path", "query_string", "target"), [("/a", "", "/a"), ("/a", "b=1", "/a?b=1")])
def test_the_target_is_path_and_query_string(path: str, query_string: str, target: str) -> None:
    assert EngineRequest(path, query_string, b"").target == target


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/_msearch", "/_msearch"), ("/a/_msearch/template", "/a/_msearch"), ("/_msearch/", "/_msearch")],
)
def test_templates_are_searched_at_the_path_of_searches(path: str, expected: str) -> None:
    assert multi_search_request(EndpointRequest("", path=path), b"{}\n") == EngineRequest(expected, "", b"{}\n")


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/_rank_eval", "/_msearch"), ("/a,b/_rank_eval", "/a,b/_msearch"), ("/_rank_eval/", "/_msearch")],
)
def test_rated_searches_are_searched_as_a_multi_search(path: str, expected: str) -> None:
    request = EndpointRequest("", "search_type=x&pretty", path=path)
    assert rank_eval_request(request, b"{}\n") == EngineRequest(expected, "search_type=x", b"{}\n")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/docs/_search?pretty&source=x", EngineRequest("/docs/_search", "pretty", b'{"new":0}')),
        ("/docs/_async_search?source_content_type=x", EngineRequest("/docs/_async_search", "", b'{"new":0}')),
        (
            "/docs/_msearch?source=x",
            EngineRequest("/docs/_msearch", "source=x", b'{"routing":"a"}\n{"new":0}\n{}\n{"own":1}\n'),
        ),
        (
            "/docs/_rank_eval?pretty&source=x",
            EngineRequest("/docs/_rank_eval", "pretty", b'{"requests":[{"request":{"new":0}},{"request":{"own":1}}]}'),
        ),
    ],
)
def test_the_clients_request_is_written_with_other_bodies(target: str, expected: EngineRequest) -> None:
    request = match("POST", target, {})
    assert request is not None
    write = ENGINE_REQUESTS[request.endpoint].write_plain
    assert write is not None
    parsed = [
        ParsedSearch("docs", {}, b'{"own":0}', header=b'{"routing":"a"}'),
        ParsedSearch("docs", {}, b'{"own":1}'),
    ]
    body = b'{"requests":[{"request":{"own":0}},{"request":{"own":1}}]}'
    assert write(request, body, parsed, {0: b'{"new":0}'}) == expected


def test_templates_are_not_written_with_other_bodies() -> None:
    assert {endpoint for endpoint, row in ENGINE_REQUESTS.items() if row.write_plain is None} == {
        Endpoint.SEARCH_TEMPLATE,
        Endpoint.MULTI_SEARCH_TEMPLATE,
    }
