from __future__ import annotations

import pytest

from es_rerank.model import Plan, Rule, Search
from es_rerank.search.engine_request.by_endpoint import ENGINE_REQUESTS, EngineRequest, engine_request, searches_at
from es_rerank.search.formats.endpoints import ENDPOINTS, match

PLAN = Plan("hose", 0, 10, 0, 50, 50, Rule("docs"), ("title",))
RAW = b'{"n":1.50}'
LINE = b'{"n":1.50,"from":0,"size":50}'
TEMPLATE = b'{"source":"{{{search}}}","params":{"search":"{\\"n\\":1.50,\\"from\\":0,\\"size\\":50}"}}'


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/docs/_search?pretty&size=3", EngineRequest("/docs/_search", "pretty&from=0&size=50", RAW)),
        ("/docs/_search/template?pretty&source=x", EngineRequest("/docs/_search/template", "pretty", TEMPLATE)),
        ("/docs/_msearch?typed_keys&filter_path=x", EngineRequest("/docs/_msearch", "typed_keys&filter_path=**", LINE)),
        ("/_msearch/template/", EngineRequest("/_msearch", "", LINE)),
        (
            "/docs/_async_search?keep_alive=1m",
            EngineRequest("/docs/_async_search", "keep_alive=1m&from=0&size=50", RAW),
        ),
        ("/docs/_rank_eval?source=x", EngineRequest("/docs/_search", "from=0&size=50", RAW)),
    ],
)
def test_what_the_engine_is_asked(target: str, expected: EngineRequest) -> None:
    carried = match("POST", target, {})
    assert carried is not None
    assert engine_request(carried, Search("docs", raw=RAW), PLAN) == expected


def test_every_endpoint_that_plans_has_a_row() -> None:
    assert set(ENGINE_REQUESTS) == {one.name for one in ENDPOINTS} - {"_async_search/{id}", "_inference/{id}"}


def test_only_what_is_asked_for_once_is_never_split() -> None:
    assert {name for name, row in ENGINE_REQUESTS.items() if not row.splits} == {"_async_search", "_rank_eval"}


@pytest.mark.parametrize(("path", "query_string", "target"), [("/a", "", "/a"), ("/a", "b=1", "/a?b=1")])
def test_target(path: str, query_string: str, target: str) -> None:
    assert EngineRequest(path, query_string, b"").target == target


def test_searches_stand_beside_templates() -> None:
    assert [searches_at(path) for path in ("/_msearch", "/a/_msearch/template", "/_msearch/")] == [
        "/_msearch",
        "/a/_msearch",
        "/_msearch",
    ]
