"""What the endpoint answers with: the engine's own head and body, or an error in the engines' shape."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from es_rerank.errors import error_body


class Answer(web.StreamResponse):
    """An answer that carries the engine's headers and none of the server's own."""


class WholeAnswer(web.Response):
    """The same for an answer whose body is at hand."""


async def bare(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Take the headers off again that the server library adds to what the engine said."""
    if isinstance(response, Answer | WholeAnswer):
        response.headers.popall("Server", None)
        response.headers.popall("Date", None)


def error_answer(status: int, kind: str, reason: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with an error that every client of the engines can read."""
    body = error_body(status, kind, reason)
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
