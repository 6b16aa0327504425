"""The few errors that reach a person, and the Elasticsearch shape of an error body."""

from __future__ import annotations

import json
from typing import Any


class EsRerankError(Exception):
    """Something a person must repair; the text says what and where."""


class ConfigError(EsRerankError):
    """A configuration or rule file that cannot be used; names file, line and field."""


class RequestError(EsRerankError):
    """A client's request whose body cannot be read: a chunk is malformed, or the end does not come."""


class UpstreamError(EsRerankError):
    """The engine could not be reached or broke off before it answered; *silent*: it closed without a word."""

    def __init__(self, words: str, *, silent: bool = False) -> None:
        """Say what happened."""
        super().__init__(words)
        self.silent = silent


def error_body(status: int, kind: str, reason: str) -> bytes:
    """Write an error in the shape that every Elasticsearch and OpenSearch client can read.

    Format: `{"error": {"root_cause": [{type, reason}], "type", "reason"}, "status"}`, the engines' REST error body.
    """
    cause: dict[str, Any] = {"type": kind, "reason": reason}
    return json.dumps({"error": {"root_cause": [cause], **cause}, "status": status}).encode()
