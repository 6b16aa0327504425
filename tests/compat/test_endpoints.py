from __future__ import annotations

import pytest

from es_rerank.compat.endpoints import rows
from es_rerank.search.formats.endpoints import match


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", "info"),
        ("GET", "/?pretty", "info"),
        ("HEAD", "/", None),
        ("GET", "/docs", None),
        ("GET", "/_nodes", "_nodes"),
        ("GET", "/_nodes/http", "_nodes"),
        ("GET", "/_nodes/_all/http", "_nodes"),
        ("GET", "/_nodes/a,b/http,os/", "_nodes"),
        ("GET", "/_nodes/stats", None),
        ("GET", "/_nodes/a/stats", None),
        ("GET", "/_nodes/a/hot_threads", None),
        ("GET", "/_nodes/a/stats/http", None),
        ("POST", "/_nodes/http", None),
        ("POST", "/docs/_pit?keep_alive=1m", "_pit"),
        ("POST", "/a,b*/_pit", "_pit"),
        ("POST", "/_all/_pit", "_pit"),
        ("DELETE", "/_pit", "_pit"),
        ("DELETE", "/docs/_pit", None),
        ("GET", "/docs/_search", None),
    ],
)
def test_rows(method: str, path: str, expected: str | None) -> None:
    found = match(method, path, {}, rows(sniffing=True, emulation=True))
    assert (found and found.endpoint) == expected


def test_only_the_rows_that_are_switched_on_are_active() -> None:
    assert rows(sniffing=False, emulation=False) == ()
    assert [row.name for row in rows(sniffing=True, emulation=False)] == ["_nodes"]
    assert {row.name for row in rows(sniffing=False, emulation=True)} == {"info", "_pit"}
