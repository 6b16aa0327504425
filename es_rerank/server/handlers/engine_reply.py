"""Reads the engine's response to a request of es-rerank."""

from __future__ import annotations

from http import HTTPStatus

from es_rerank.model import EngineReply
from es_rerank.net.content_encoding import MAX_RATIO, decompress
from es_rerank.net.messages import EngineResponse
from es_rerank.server.concurrency import compute
from es_rerank.server.memory import Hold
from es_rerank.server.request_body import read_body

# The engine rejects the request or the caller; the reason is in the body.
_REJECTED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
# A longer error response is not kept.
_MAX_ERROR_BYTES = 64 * 1024


async def read_reply(response: EngineResponse, max_bytes: int, hold: Hold) -> EngineReply:
    """Read a response. The body is decoded only if the status is 200, or one of a rejected request.

    Args:
        response: The response, whose headers are changed to those for the client.
        max_bytes: Maximum size of the body, in bytes; a larger one is not kept.
        hold: Counts the bytes that the request holds in memory. The bytes of the body are added.

    Raises:
        aiohttp.ClientError: The response is cut off.

    """
    response.headers.popall("Content-Length", None)
    coding = response.headers.pop("Content-Encoding", "")
    body, error = None, b""
    if response.status == HTTPStatus.OK:
        body = await _body(response, coding, max_bytes, hold)
    elif response.status in _REJECTED:
        error = await _body(response, coding, _MAX_ERROR_BYTES, hold) or b""
    return EngineReply(
        response.status, response.headers, body, coding, elasticsearch=response.elasticsearch, error=error
    )


async def _body(response: EngineResponse, coding: str, limit: int, hold: Hold) -> bytes | None:
    """Return the decoded body; None if it is larger than *limit* bytes, too large to hold, or cannot be decoded."""
    whole = (await read_body(response.content.iter_any(), limit, hold, None)).whole
    if whole is None or not coding:
        return whole
    body = await compute(len(whole) * MAX_RATIO, decompress, whole, coding, limit)
    return body if body is not None and hold.grow(len(body)) else None
