"""The exceptions of this package, and the error body of Elasticsearch."""

from __future__ import annotations

import json
from typing import Any


class EsRerankError(Exception):
    """An error that an operator or client has to fix; the message says what is wrong and where."""


class ConfigError(EsRerankError):
    """An invalid configuration or rule file; the message names file, line and field."""


class RequestError(EsRerankError):
    """A client request whose body cannot be read: a chunk is malformed, or the body is incomplete."""


class UpstreamError(EsRerankError):
    """The engine cannot be reached, or closed the connection before its response was complete.

    Attributes:
        silent: the engine closed the connection without sending a byte of the response.

    """

    def __init__(self, message: str, *, silent: bool = False) -> None:
        """Create the error with its message."""
        super().__init__(message)
        self.silent = silent


def error_body(status: int, kind: str, reason: str) -> bytes:
    """Return an error as a response body that every Elasticsearch and OpenSearch client can read.

    Format: `{"error": {"root_cause": [{type, reason}], "type", "reason"}, "status"}`, the engines' REST error body.

    Args:
        status: the HTTP status of the response.
        kind: the error type in snake_case, such as `illegal_argument_exception`.
        reason: the message.

    """
    cause: dict[str, Any] = {"type": kind, "reason": reason}
    return json.dumps({"error": {"root_cause": [cause], **cause}, "status": status}).encode()
