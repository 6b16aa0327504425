"""Reads the engine's response to a request of es-rerank."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

from es_rerank.model import EngineReply, Why
from es_rerank.net.content_encoding import MAX_RATIO, decompress
from es_rerank.net.messages import EngineResponse
from es_rerank.server.concurrency import compute
from es_rerank.server.memory import Hold
from es_rerank.server.request_body import read_body

# With these statuses, the engine rejects the request or the caller. The response body has the reason.
_REJECTED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
# A longer error response is not kept.
_MAX_ERROR_BYTES = 64 * 1024


async def read_reply(response: EngineResponse, max_bytes: int, hold: Hold) -> EngineReply:
    """Return the reply from a response. The body is only read if the status is 200, or if the request is rejected.

    Args:
        response: The response. `Content-Length` and `Content-Encoding` are removed from its headers.
        max_bytes: Maximum size of the body, in bytes. A larger body is not kept.
        hold: Counts the bytes that the request holds in memory. The bytes of the body are added.

    Raises:
        aiohttp.ClientError: The response is cut off.

    """
    response.headers.popall("Content-Length", None)
    coding = response.headers.pop("Content-Encoding", "")
    found: bytes | Why = Why.ENGINE_ERROR
    if response.status == HTTPStatus.OK or response.status in _REJECTED:
        limit = max_bytes if response.status == HTTPStatus.OK else _MAX_ERROR_BYTES
        found = await _body(response, coding, limit, hold)
    reply = EngineReply(
        response.status, response.headers, content_encoding=coding, elasticsearch=response.elasticsearch
    )
    if isinstance(found, Why):
        return replace(reply, why=found)
    return replace(reply, body=found) if response.status == HTTPStatus.OK else replace(reply, error=found)


async def _body(response: EngineResponse, coding: str, limit: int, hold: Hold) -> bytes | Why:
    """Return the decoded body, or the reason if it exceeds *limit* bytes or the memory limit, or cannot be decoded."""
    read = await read_body(response.content.iter_any(), limit, hold, None)
    if read.whole is None:
        return Why.OUT_OF_MEMORY if read.why is Why.OUT_OF_MEMORY else Why.ENGINE_ERROR
    if not coding:
        return read.whole
    body = await compute(len(read.whole) * MAX_RATIO, decompress, read.whole, coding, limit)
    if body is None:
        return Why.ENGINE_ERROR
    return body if hold.grow(len(body)) else Why.OUT_OF_MEMORY
