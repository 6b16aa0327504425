from __future__ import annotations

import pytest

from es_rerank.model import EngineReply
from es_rerank.search.formats.endpoints import Endpoint, EndpointRequest
from es_rerank.server.handlers.filtering import filtered, shows_no_hits


def request(endpoint: Endpoint, filter_path: str | None) -> EndpointRequest:
    return EndpointRequest("docs", "" if filter_path is None else f"filter_path={filter_path}", {}, endpoint)


@pytest.mark.parametrize(
    ("endpoint", "filter_path", "expected"),
    [
        (Endpoint.SEARCH, None, False),
        (Endpoint.SEARCH, "", False),
        (Endpoint.SEARCH, "took", True),
        (Endpoint.SEARCH, "responses.hits.hits", True),
        (Endpoint.SEARCH_TEMPLATE, "hits.hits._id", False),
        (Endpoint.MULTI_SEARCH, "hits.hits", True),
        (Endpoint.MULTI_SEARCH, "responses.hits.hits", False),
        (Endpoint.MULTI_SEARCH_TEMPLATE, "-responses.hits", True),
        (Endpoint.ASYNC_SEARCH, "id", False),
        (Endpoint.RANK_EVAL, "metric_score", False),
    ],
)
def test_a_filter_may_remove_all_hits(endpoint: Endpoint, filter_path: str | None, expected: bool) -> None:
    assert shows_no_hits(request(endpoint, filter_path)) is expected


@pytest.mark.parametrize(("filter_path", "left"), [(None, b'{"a":1,"b":2}'), ("a", b'{"a":1}'), ("-a", b'{"b":2}')])
async def test_a_response_is_reduced_to_what_the_client_wants(filter_path: str | None, left: bytes) -> None:
    assert await filtered(request(Endpoint.SEARCH, filter_path), b'{"a":1,"b":2}', EngineReply()) == left
