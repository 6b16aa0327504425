"""A client's body on its way to the engine: handed to the HTTP client, and watched."""

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
    """A body of which is known whether it `ended`, or what is wrong with it (`fault`).

    An answer may come before its end, and then nobody reads the rest of it.
    """

    def __init__(self, body: Stream) -> None:
        """Watch *body*."""
        self._body = body
        self._rests = asyncio.Event()
        self._rests.set()
        self.ended = False
        self.fault: RequestError | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the body bit by bit."""
        async for chunk in self._body:
            yield chunk
        self.ended = True

    async def copy_stream(self, sink: StreamWriter) -> None:
        """Write the body."""
        self._rests.clear()
        try:
            await self._body.copy_stream(sink)
            self.ended = True
        except RequestError as error:
            self.fault = error
            raise
        finally:
            self._rests.set()

    async def stopped(self) -> None:
        """Wait until nobody reads the client's body any more, so that the server may."""
        await self._rests.wait()


class UploadPayload(aiohttp.Payload):
    """The form in which the HTTP client takes a body."""

    def __init__(self, body: Stream) -> None:
        """Hand *body* over."""
        super().__init__(body)
        self._body = body

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write it."""
        await self._body.copy_stream(cast("StreamWriter", writer))

    async def write_with_length(self, writer: AbstractStreamWriter, _length: int | None) -> None:
        """Write it; that it has the length of its head, the server that read it has seen to."""
        await self.write(writer)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Refuse: it is not here yet."""
        raise TypeError(f"a body on its way is not decoded as {encoding}, {errors}")
