"""The responses to requests that cannot be read: invalid HTTP, and heads that are too long or too late. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp.http_exceptions import BadHttpMethod, InvalidHeader, InvalidURLError, LineTooLong

from es_rerank.server.listen.request_checks import Rejection

_TOO_LONG = "too_long_http_header_exception"
# Error type and reason for each parser exception. The exceptions' own messages are not used, because they quote the
# request, which may contain a password.
_PARSER_ERRORS: Sequence[tuple[type[BaseException], str, str]] = (
    (LineTooLong, _TOO_LONG, "the request line or a header is too long"),
    (InvalidHeader, "illegal_argument_exception", "a header is malformed"),
    (InvalidURLError, "illegal_argument_exception", "the target of the request is malformed"),
    (BadHttpMethod, "illegal_argument_exception", "the method of the request is malformed"),
    (BaseException, "illegal_argument_exception", "the request is malformed"),
)

HEAD_TOO_LATE = Rejection(HTTPStatus.REQUEST_TIMEOUT, "timeout_exception", "the headers did not arrive in time")
"""The head of a message did not arrive in time."""


def invalid_http(status: int, error: BaseException | None) -> Rejection:
    """Return the rejection for invalid HTTP. *status* and *error* are from the parser."""
    known = (row for row in _PARSER_ERRORS if isinstance(error or Exception(), row[0]))
    return Rejection(status, *next(known)[1:])


def head_too_long(max_bytes: int) -> Rejection:
    """Return the rejection for a head (request line and headers) of more than *max_bytes* bytes."""
    reason = f"the request line and the headers are longer than {max_bytes} bytes"
    return Rejection(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _TOO_LONG, reason)
