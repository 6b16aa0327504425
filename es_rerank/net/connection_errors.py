"""Describes connection errors for clients, without addresses or other internal details."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import aiohttp

from es_rerank.net.tls import NotReachedError


def _certificate(error: Exception) -> str:
    """Return the TLS library's description of a certificate error."""
    cause = getattr(error, "certificate_error", error)
    return f"its certificate is not trusted: {getattr(cause, 'verify_message', '') or cause}"


def _system(error: Exception) -> str:
    """Return the operating system's description of the `errno` of an error, or the name of its type if it has none."""
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number else type(error).__name__


# The first row whose type matches is used, so subclasses come before their base classes.
_DESCRIPTIONS: Sequence[tuple[type[Exception], Callable[[Exception], str]]] = (
    (aiohttp.ClientConnectorCertificateError, _certificate),
    (NotReachedError, str),
    (aiohttp.ClientConnectorDNSError, lambda _: "its host name cannot be resolved"),
    (aiohttp.ClientSSLError, lambda _: "the TLS handshake failed"),
    (aiohttp.ServerTimeoutError, lambda _: "the connection timed out"),
    (aiohttp.ServerDisconnectedError, lambda _: "it closed the connection without a response"),
    (aiohttp.ClientPayloadError, lambda _: "it closed the connection in the middle of the response"),
    (OSError, _system),
    (aiohttp.ClientConnectionError, lambda _: "the connection failed"),
    (aiohttp.ClientError, lambda _: "its response is not valid HTTP"),
)


def describe_error(error: Exception | None) -> str:
    """Return a description of a connection error in a few words, such as `connection refused`."""
    return next((describe(error) for kind, describe in _DESCRIPTIONS if isinstance(error, kind)), type(error).__name__)
