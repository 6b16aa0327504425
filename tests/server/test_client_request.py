from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from es_rerank.server.client_request import headers, target
from es_rerank.testing import fake_settings


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/a%2Fb?x=%20&x=+", "/a%2Fb?x=%20&x=+"),
        ("//_refresh", "//_refresh"),
        ("http://engine:9200/a?b", "/a?b"),
        ("http://engine", "/"),
        ("http://engine?pretty", "/?pretty"),
        ("*", "/"),
    ],
)
def test_target(raw: str, expected: str) -> None:
    request = make_mocked_request("GET", "/")
    request._message = request._message._replace(path=raw)
    assert target(request) == expected


@pytest.mark.parametrize(("row", "said"), [("pass", []), ("append", ["127.0.0.1"])])
def test_headers_for_the_engine(row: str, said: list[str]) -> None:
    request = make_mocked_request("GET", "/", headers={"Host": "search", "Connection": "close", "A": "1", "B": "2"})
    found = headers(request.clone(remote="127.0.0.1"), fake_settings(forwarded=row), "B")
    assert (found["A"], found.getall("X-Forwarded-For", [])) == ("1", said)
    assert {"Host", "Connection", "B"} & set(found) == set()
