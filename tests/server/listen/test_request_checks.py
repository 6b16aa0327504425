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
        ("GET", "/", {"Connection": "keep-alive, TE", "TE": "trailers"}, None),
        ("GET", "/", {"Connection": "Persist, X-Request-Id", "X-Request-Id": "1"}, None),
        ("GET", "/", {"Connection": "close, Cookie"}, 400),
        ("GET", "/", {"connection": "AUTHORIZATION"}, 400),
        ("GET", "/", {"Connection": "x-team", "X-Team": "a"}, 400),
        ("GET", "/", {"X-Opaque-Id": "é"}, None),
        ("GET", "/", {"X-Opaque-Id": "a\udce9b"}, 400),
    ],
)
def test_requests_that_no_engine_accepts_are_rejected(
    method: str, target: str, headers: dict[str, str], status: int | None
) -> None:
    found = check_request(RequestHead(method, target, CIMultiDict(headers)))
    assert (found and found.status) == status


@pytest.mark.parametrize(("version", "silent"), [((1, 0), None), ((1, 1), None), ((2, 0), True), ((0, 9), True)])
def test_other_http_versions_are_rejected_silently(version: tuple[int, int], silent: bool | None) -> None:
    rejection = check_request(RequestHead("GET", "/", CIMultiDict(), version))
    assert (rejection and rejection.silent) == silent


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_every_method_of_the_engines_is_accepted(method: str) -> None:
    assert check_request(RequestHead(method, "/", CIMultiDict())) is None


def test_every_value_of_a_repeated_header_is_checked() -> None:
    headers = CIMultiDict([("X-A", "a"), ("X-A", "\udce9")])
    rejection = check_request(RequestHead("GET", "/", headers))
    assert rejection == (400, "illegal_argument_exception", "a header of the request is not UTF-8", False)
