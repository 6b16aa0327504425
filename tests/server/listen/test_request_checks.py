from __future__ import annotations

import pytest
from multidict import CIMultiDict

from es_rerank.server.listen.request_checks import RequestHead, check_request


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("GET", "/", {}, None),
        ("PATCH", "/a?b=%23", {"transfer-encoding": " Chunked "}, None),
        ("POST", "/", {"Expect": "100-Continue"}, None),
        ("POST", "/", {"Expect": ""}, None),
        ("CONNECT", "engine:80", {}, 405),
        ("PURGE", "/", {}, 405),
        ("get", "/", {}, 405),
        ("GET", "/a#b", {}, 400),
        ("POST", "/", {"Transfer-Encoding": "gzip, chunked"}, 400),
        ("POST", "/", {"expect": "a miracle"}, 417),
        ("GET", "/", {"X-Opaque-Id": "é"}, None),
        ("GET", "/", {"X-Opaque-Id": "a\udce9b"}, 400),
    ],
)
def test_refusal(method: str, target: str, headers: dict[str, str], status: int | None) -> None:
    found = check_request(RequestHead(method, target, CIMultiDict(headers)))
    assert (found and found.status) == status
