"""Reads the engine's response to a request of es-rerank."""

from __future__ import annotations

from http import HTTPStatus

from es_rerank.model import EngineReply
from es_rerank.net.content_encoding import decompress, read_limited
from es_rerank.net.messages import EngineResponse

# A longer error response is not kept.
_MAX_ERROR_BYTES = 64 * 1024


async def read_reply(response: EngineResponse, max_bytes: int) -> EngineReply:
    """Read a response. The body is decoded only if the status is 200, or 400 for an error.

    Args:
        response: The response, whose headers are changed to those for the client.
        max_bytes: Maximum size of the body, in bytes; a larger one is not kept.

    Raises:
        aiohttp.ClientError: The response is cut off.

    """
    response.headers.popall("Content-Length", None)
    coding = response.headers.pop("Content-Encoding", "")
    body, error = None, b""
    if response.status == HTTPStatus.OK:
        body = await _body(response, coding, max_bytes)
    elif response.status == HTTPStatus.BAD_REQUEST:
        error = await _body(response, coding, _MAX_ERROR_BYTES) or b""
    return EngineReply(
        response.status, response.headers, body, coding, elasticsearch=response.elasticsearch, error=error
    )


async def _body(response: EngineResponse, coding: str, limit: int) -> bytes | None:
    """Return the decoded body; None if it is larger than *limit* bytes or cannot be decoded."""
    whole, _ = await read_limited(response.content.iter_any(), limit)
    return decompress(whole, coding, limit) if whole is not None and coding else whole
