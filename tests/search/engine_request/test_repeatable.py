from __future__ import annotations

import pytest

from es_rerank.search.engine_request.repeatable import is_repeatable


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("GET /docs/_search?q=hose", True),
        ("POST /docs/_search", True),
        ("POST /_msearch", True),
        ("POST /_render/template", True),
        ("GET /_async_search/scroll", True),
        ("GET /_search/scrolls", True),
        ("POST /docs/_async_search", False),
        ("POST /_async_search/?keep_alive=1m", False),
        ("POST /_plugins/_asynchronous_search?index=docs", False),
        ("POST /docs/_pit?keep_alive=1m", False),
        ("POST /docs/_search/point_in_time", False),
        ("DELETE /_pit", False),
        ("DELETE /_async_search/1", False),
        ("POST /docs/_search?scroll=1m", False),
        ("GET /docs/_search?%73croll=1m", False),
        ("GET /_search/scroll?scroll_id=1", False),
        ("POST /_search/scroll", False),
        ("GET /_search/scroll/1", False),
    ],
)
def test_what_creates_or_advances_something_is_sent_once(request_line: str, expected: bool) -> None:
    assert is_repeatable(*request_line.split(" ")) == expected
