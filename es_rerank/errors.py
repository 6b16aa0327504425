"""The exceptions of this package, and error responses in Elasticsearch's format."""

from __future__ import annotations

import json
from typing import Any


class EsRerankError(Exception):
    """An error that an operator or a client can fix. The message says what is wrong, and where."""


class ConfigError(EsRerankError):
    """An invalid setting or rule file. The message names the setting, or the file, line and field."""


class RequestError(EsRerankError):
    """A client request that cannot be sent to the engine, for example because its body is malformed or too long.

    Attributes:
        status: HTTP status of the response.
        kind: Error type of the response.

    """

    def __init__(self, message: str, *, status: int = 400, kind: str = "illegal_argument_exception") -> None:
        """Create the error with its message."""
        super().__init__(message)
        self.status = status
        self.kind = kind


class UpstreamError(EsRerankError):
    """The engine cannot be reached, or closed the connection before its response was complete.

    Attributes:
        silent: Whether the engine closed the connection without sending any part of a response.

    """

    def __init__(self, message: str, *, silent: bool = False) -> None:
        """Create the error with its message."""
        super().__init__(message)
        self.silent = silent


def error_body(status: int, kind: str, reason: str) -> bytes:
    """Return an error response body that every Elasticsearch and OpenSearch client can parse.

    Format: `{"error": {"root_cause": [{type, reason}], "type", "reason"}, "status"}`, the engines' REST error body.

    Args:
        status: HTTP status of the response.
        kind: Error type in snake_case, such as `illegal_argument_exception`.
        reason: Error message.

    """
    cause: dict[str, Any] = {"type": kind, "reason": reason}
    return json.dumps({"error": {"root_cause": [cause], **cause}, "status": status}).encode()
