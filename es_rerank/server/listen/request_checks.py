"""Checks that reject requests before they reach the engine. No I/O.

Engines close the connection without a response on most of these requests. es-rerank returns an error instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from es_rerank.net.headers import HOP_BY_HOP
from es_rerank.net.identity import may_identify, names_credentials

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"})
_MALFORMED = "illegal_argument_exception"
# Bytes that are not UTF-8 are decoded to lone surrogates (`surrogateescape`).
_LONE_SURROGATE = re.compile("[\udc80-\udcff]")


class RequestHead(NamedTuple):
    """Request line and headers of a request. The target is raw; the header mapping ignores case."""

    method: str
    target: str
    headers: Mapping[str, str]
    version: tuple[int, int] = (1, 1)


class Rejection(NamedTuple):
    """Status, type and reason of an error response. If `silent`, the connection is closed without a response."""

    status: int
    kind: str
    reason: str
    silent: bool = False


def malformed(reason: str) -> Rejection:
    """Return the rejection of a malformed request, with the error type that the engines use."""
    return Rejection(HTTPStatus.BAD_REQUEST, _MALFORMED, reason)


def _version(head: RequestHead) -> Rejection | None:
    """Close the connection if the HTTP version is not 1.0 or 1.1, because the client cannot parse the response."""
    if head.version in {(1, 0), (1, 1)}:
        return None
    return malformed("the version of the request is not HTTP/1.1")._replace(silent=True)


def _method(head: RequestHead) -> Rejection | None:
    """Reject an unknown method. The engine would close the connection on such a request."""
    if head.method in _METHODS:
        return None
    return Rejection(HTTPStatus.METHOD_NOT_ALLOWED, _MALFORMED, "the method of the request is not allowed")


def _target(head: RequestHead) -> Rejection | None:
    """Reject a fragment, which is invalid in a request target (RFC 9112, section 3.2.1) and would not be forwarded."""
    if "#" not in head.target:
        return None
    return malformed("the target of the request has a fragment")


def _framing(head: RequestHead) -> Rejection | None:
    """Reject transfer encodings other than `chunked`, which cannot be forwarded unchanged (RFC 9112, section 6.1)."""
    if head.headers.get("Transfer-Encoding", "chunked").strip().lower() == "chunked":
        return None
    return malformed("the transfer encoding of the request is not just chunked")


def _connection(head: RequestHead) -> Rejection | None:
    """Reject a `Connection` header that lists credentials, or a header of the request that may identify the caller.

    A proxy has to remove the headers that `Connection` lists (RFC 9110, section 7.6.1). The engine would then treat the
    request as one of another caller.
    """
    listed = ",".join(value for name, value in head.headers.items() if name.lower() == "connection").lower().split(",")
    names = {name.strip() for name in listed} - HOP_BY_HOP - {"close", ""}
    if any(names_credentials(name) or (name in head.headers and may_identify(name)) for name in names):
        return malformed("the Connection header of the request lists credentials, or a header that is not hop-by-hop")
    return None


def _expectation(head: RequestHead) -> Rejection | None:
    """Reject expectations other than `100-continue` (RFC 9110, section 10.1.1)."""
    if head.headers.get("Expect", "100-continue").strip().lower() in {"", "100-continue"}:
        return None
    return Rejection(HTTPStatus.EXPECTATION_FAILED, _MALFORMED, "the expectation of the request cannot be met")


def _encoding(head: RequestHead) -> Rejection | None:
    """Reject header values that are not UTF-8, because the HTTP client library would drop the invalid bytes."""
    values = "".join(head.headers.values())
    if values.isascii() or not _LONE_SURROGATE.search(values):
        return None
    return malformed("a header of the request is not UTF-8")


REQUEST_CHECKS: tuple[Callable[[RequestHead], Rejection | None], ...] = (
    _version,
    _method,
    _target,
    _framing,
    _connection,
    _expectation,
    _encoding,
)


def check_request(head: RequestHead) -> Rejection | None:
    """Return the first reason to reject a request; None if the request can be sent to the engine."""
    return next((rejection for check in REQUEST_CHECKS if (rejection := check(head))), None)
