"""What went wrong on the way to another server, in words for a client: no addresses, no insides."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import aiohttp

from es_rerank.net.tls import NotReachedError


def _certificate(error: Exception) -> str:
    """Say what the TLS library found."""
    found = getattr(error, "certificate_error", error)
    return f"its certificate is not trusted: {getattr(found, 'verify_message', '') or found}"


def _system(error: Exception) -> str:
    """Give the system's words for an error number."""
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number else type(error).__name__


_WORDS: Sequence[tuple[type[Exception], Callable[[Exception], str]]] = (
    (aiohttp.ClientConnectorCertificateError, _certificate),
    (NotReachedError, str),
    (aiohttp.ClientConnectorDNSError, lambda _: "its name cannot be resolved"),
    (aiohttp.ClientSSLError, lambda _: "it does not speak TLS as expected"),
    (aiohttp.ServerTimeoutError, lambda _: "it did not take a connection in time"),
    (aiohttp.ServerDisconnectedError, lambda _: "it closed the connection without an answer"),
    (aiohttp.ClientPayloadError, lambda _: "it broke off in the midst of its answer"),
    (OSError, _system),
    (aiohttp.ClientConnectionError, lambda _: "the connection failed"),
    (aiohttp.ClientError, lambda _: "its answer is no HTTP that can be read"),
)


def describe_error(error: Exception | None) -> str:
    """Word a fault of a connection."""
    return next((words(error) for kind, words in _WORDS if isinstance(error, kind)), type(error).__name__)
