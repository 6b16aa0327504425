from __future__ import annotations

import pytest

from es_rerank.compat.endpoints import rows
from es_rerank.search.formats.endpoints import Endpoint, match


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", Endpoint.ROOT),
        ("GET", "/?pretty", Endpoint.ROOT),
        ("HEAD", "/", None),
        ("GET", "/docs", None),
        ("GET", "/_nodes", Endpoint.NODES),
        ("GET", "/_nodes/http", Endpoint.NODES),
        ("GET", "/_nodes/_all/http", Endpoint.NODES),
        ("GET", "/_nodes/a,b/http,os/", Endpoint.NODES),
        ("GET", "/_nodes/stats", None),
        ("GET", "/_nodes/a/stats", None),
        ("GET", "/_nodes/a/hot_threads", None),
        ("GET", "/_nodes/a/stats/http", None),
        ("POST", "/_nodes/http", None),
        ("POST", "/docs/_pit?keep_alive=1m", Endpoint.POINT_IN_TIME),
        ("POST", "/a,b*/_pit", Endpoint.POINT_IN_TIME),
        ("POST", "/_all/_pit", Endpoint.POINT_IN_TIME),
        ("DELETE", "/_pit", Endpoint.POINT_IN_TIME),
        ("DELETE", "/docs/_pit", None),
        ("GET", "/docs/_search", None),
    ],
)
def test_only_responses_that_are_adapted_have_an_endpoint(method: str, path: str, expected: Endpoint | None) -> None:
    found = match(method, path, {}, rows(sniffing=True, emulation=True))
    assert (found and found.endpoint) == expected


def test_only_the_rows_that_the_settings_ask_for_are_in_force() -> None:
    assert rows(sniffing=False, emulation=False) == ()
    assert [row.endpoint for row in rows(sniffing=True, emulation=False)] == [Endpoint.NODES]
    assert {row.endpoint for row in rows(sniffing=False, emulation=True)} == {
        Endpoint.ROOT,
        Endpoint.POINT_IN_TIME,
    }
