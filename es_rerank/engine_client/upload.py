"""A client's request body that is streamed to the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter

from es_rerank.errors import RequestError
from es_rerank.net.messages import Stream


class WatchedUpload(Stream):
    """A body that records whether it was read completely (`ended`) or is malformed (`fault`).

    The engine may respond before the end of the body; the rest of the body is then not read.
    """

    def __init__(self, body: Stream) -> None:
        """Wrap *body*."""
        self._body = body
        self._idle = asyncio.Event()
        self._idle.set()
        self.ended = False
        self.fault: RequestError | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the chunks of the body."""
        async for chunk in self._body:
            yield chunk
        self.ended = True

    async def copy_stream(self, sink: StreamWriter) -> None:
        """Write the body to *sink*. Raises RequestError if it is malformed."""
        self._idle.clear()
        try:
            await self._body.copy_stream(sink)
            self.ended = True
        except RequestError as error:
            self.fault = error
            raise
        finally:
            self._idle.set()

    def close(self) -> None:
        """Release the resources of the wrapped body."""
        self._body.close()

    async def stopped(self) -> None:
        """Wait until the client's body is no longer being read, so that the server can read the next request."""
        await self._idle.wait()


class UploadPayload(aiohttp.Payload):
    """A streamed body as a payload for aiohttp's client."""

    def __init__(self, body: Stream) -> None:
        """Wrap *body*."""
        super().__init__(body)
        self._body = body

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the body."""
        await self._body.copy_stream(cast("StreamWriter", writer))

    async def write_with_length(self, writer: AbstractStreamWriter, _length: int | None) -> None:
        """Write the body. The server has already compared its length with the client's `Content-Length`."""
        await self.write(writer)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Raise TypeError, because a streamed body has not been received yet."""
        raise TypeError(f"a streamed body cannot be decoded as {encoding}, {errors}")
