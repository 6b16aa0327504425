"""Requests that no engine answers, and that are refused before one is asked. Pure; one row each.

An engine closes the connection on most of them without a word; a client learns more from an answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"})
_MALFORMED = "illegal_argument_exception"
# What bytes that are not UTF-8 were decoded to (`surrogateescape`).
_LONE = re.compile("[\udc80-\udcff]")


class RequestHead(NamedTuple):
    """The head of a request; the target is as it came, names of headers in any case."""

    method: str
    target: str
    headers: Mapping[str, str]
    version: tuple[int, int] = (1, 1)


class Rejection(NamedTuple):
    """What is answered: status, and type and reason of the error; if `silent`, nothing: the connection is closed."""

    status: int
    kind: str
    reason: str
    silent: bool = False


def malformed(reason: str) -> Rejection:
    """Refuse what cannot be read, as the engines word it."""
    return Rejection(HTTPStatus.BAD_REQUEST, _MALFORMED, reason)


def _version(head: RequestHead) -> Rejection | None:
    """Refuse other versions than HTTP/1.0 and 1.1; nobody who speaks another can read an answer of these."""
    if head.version in {(1, 0), (1, 1)}:
        return None
    return malformed("the version of the request is not HTTP/1.1")._replace(silent=True)


def _method(head: RequestHead) -> Rejection | None:
    """Refuse methods that the engines' HTTP servers do not know, which close the connection then."""
    if head.method in _METHODS:
        return None
    return Rejection(HTTPStatus.METHOD_NOT_ALLOWED, _MALFORMED, "the method of the request is not allowed")


def _target(head: RequestHead) -> Rejection | None:
    """Refuse a fragment, which is no part of a request (RFC 9112, 3.2.1), and would be cut off on the way."""
    if "#" not in head.target:
        return None
    return malformed("the target of the request has a fragment")


def _framing(head: RequestHead) -> Rejection | None:
    """Refuse codings of the transfer other than chunks: the engine would be told another length (RFC 9112, 6.1)."""
    if head.headers.get("Transfer-Encoding", "chunked").strip().lower() == "chunked":
        return None
    return malformed("the transfer encoding of the request is not chunked alone")


def _expectation(head: RequestHead) -> Rejection | None:
    """Refuse to expect anything but to be told to go on (RFC 9110, 10.1.1)."""
    if head.headers.get("Expect", "100-continue").strip().lower() in {"", "100-continue"}:
        return None
    return Rejection(HTTPStatus.EXPECTATION_FAILED, _MALFORMED, "the expectation of the request cannot be met")


def _encoding(head: RequestHead) -> Rejection | None:
    """Refuse header values that are not UTF-8: the library would send them on without the bytes that are not."""
    if not any(_LONE.search(value) for value in head.headers.values()):
        return None
    return malformed("a header of the request is not UTF-8")


REQUEST_CHECKS: tuple[Callable[[RequestHead], Rejection | None], ...] = (
    _version,
    _method,
    _target,
    _framing,
    _expectation,
    _encoding,
)


def check_request(head: RequestHead) -> Rejection | None:
    """Find what is wrong with a request; None if an engine may be asked."""
    return next((found for check in REQUEST_CHECKS if (found := check(head))), None)
