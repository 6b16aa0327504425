from __future__ import annotations

import pytest
from aiohttp.http_exceptions import BadHttpMessage, BadHttpMethod, InvalidHeader, InvalidURLError, LineTooLong

from es_rerank.server.listen.parser_errors import head_too_long, invalid_http
from es_rerank.server.listen.request_checks import Rejection


@pytest.mark.parametrize(
    ("error", "kind", "part"),
    [
        (LineTooLong(b"secret", 10), "too_long_http_header_exception", "header"),
        (InvalidHeader(b"secret"), "illegal_argument_exception", "header"),
        (InvalidURLError("secret"), "illegal_argument_exception", "target"),
        (BadHttpMethod("secret"), "illegal_argument_exception", "method"),
        (BadHttpMessage("secret"), "illegal_argument_exception", "malformed"),
        (None, "illegal_argument_exception", "malformed"),
    ],
)
def test_an_error_names_the_part_of_the_request_but_quotes_nothing(
    error: Exception | None, kind: str, part: str
) -> None:
    rejection = invalid_http(400, error)
    assert (rejection.status, rejection.kind) == (400, kind)
    assert part in rejection.reason
    assert "secret" not in rejection.reason


def test_a_head_that_is_too_long_names_the_limit() -> None:
    reason = "the request line and the headers are longer than 10 bytes"
    assert head_too_long(10) == Rejection(431, "too_long_http_header_exception", reason)
