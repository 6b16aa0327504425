"""What the endpoint answers with: the engine's own head and body, or an error in the engines' shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from es_rerank.errors import error_body

# The server library adds these where an answer has none.
_NAME = "es-rerank"
_ADDED = ("Content-Type", "Date", "Server")


@dataclass(frozen=True, slots=True)
class RerankHeaders:
    """What a client is told beside the head of an answer: what became of its searches, and the engine's warnings.

    The engine may give a warning but once, with an answer that no client sees.
    """

    said: str = ""
    warnings: Sequence[str] = ()

    def onto(self, headers: CIMultiDict[str]) -> None:
        """Add it to a head."""
        if self.said:
            headers["X-Rerank"] = self.said
        known = headers.getall("Warning", [])
        headers.extend([("Warning", warning) for warning in self.warnings if warning not in known])


def _silent(headers: Mapping[str, str]) -> list[str]:
    """List what the server library would add and the engine did not say."""
    return [name for name in _ADDED if name not in headers]


class Answer(web.StreamResponse):
    """An answer that carries the engine's headers and none of the server's own."""

    def __init__(self, *, headers: Mapping[str, str], **head: Any) -> None:
        """Note what the engine said."""
        super().__init__(headers=headers, **head)
        self.silent = _silent(headers)


class WholeAnswer(web.Response):
    """The same for an answer whose body is at hand."""

    def __init__(self, *, headers: Mapping[str, str], body: bytes, **head: Any) -> None:
        """Note what the engine said."""
        super().__init__(headers=headers, body=body, **head)
        self.silent = _silent(headers)


async def bare(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Take the headers off again that the server library adds to what the engine said."""
    if isinstance(response, Answer | WholeAnswer):
        for name in response.silent:
            response.headers.popall(name, None)
        if request.headers.get("Connection", "").strip().lower() == "close":
            # A client that wants the connection closed is not told so, as the engines do not tell it.
            response.headers.popall("Connection", None)
    else:
        response.headers["Server"] = _NAME


def error_answer(status: int, kind: str, reason: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with an error that every client of the engines can read."""
    body = error_body(status, kind, reason)
    own = {"Server": _NAME, **(headers or {})}
    return web.Response(status=status, body=body, content_type="application/json", headers=own)
