"""Reads a request or response body into memory, within limits of size, total memory and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from dataclasses import dataclass

from es_rerank.model import Why
from es_rerank.server.memory import Hold

# If a body takes longer to arrive, es-rerank streams it to the engine: the deadline of its search has passed anyway.
BODY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ReadBody:
    """The result of reading a body: the whole body, or the chunks that were read and the reason why reading stopped."""

    whole: bytes | None
    parts: list[bytes]
    why: Why | None = None


async def read_body(
    chunks: AsyncIterable[bytes], max_bytes: int, hold: Hold, seconds: float | None = BODY_SECONDS
) -> ReadBody:
    """Read a body until it ends or exceeds a limit.

    Args:
        chunks: The body. If it is not read completely, the rest can still be read.
        max_bytes: Maximum size of the body, in bytes.
        hold: Counts the bytes that the request holds in memory. The bytes of the body are added.
        seconds: Time limit, in seconds; None means no limit.

    """
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in chunks:
                parts.append(chunk)
                size += len(chunk)
                if size > max_bytes:
                    return ReadBody(None, parts, Why.TOO_LARGE)
                if not hold.grow(len(chunk)):
                    return ReadBody(None, parts, Why.OUT_OF_MEMORY)
    except TimeoutError:
        return ReadBody(None, parts, Why.DEADLINE)
    return ReadBody(b"".join(parts), [])
