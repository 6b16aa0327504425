"""Requests to the engine and the engine's responses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field

import aiohttp
from aiohttp.http import StreamWriter
from multidict import CIMultiDict


class Stream(ABC):
    """A body that is read once, chunk by chunk."""

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the chunks. Raises RequestError if the body cannot be read."""

    async def copy_stream(self, sink: StreamWriter) -> None:
        """Write the whole body to *sink*. Raises RequestError if it cannot be read."""
        async for chunk in self:
            await sink.write(chunk)


class Chunks(Stream):
    """A body that comes from an asynchronous iterable."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        """Read the body from *chunks*."""
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the chunks."""
        return aiter(self._chunks)


Body = bytes | Stream | None


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """A request to the engine.

    Attributes:
        target: The raw path with its query string.
        retryable: Whether the request is sent again if the engine had closed the connection; never true of a write.
        use_service_credentials: Whether the endpoint's own credentials or signature are added for a caller without.

    """

    method: str
    target: str
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: Body = None
    retryable: bool = False
    use_service_credentials: bool = True


@dataclass(frozen=True, slots=True)
class EngineResponse:
    """The head of an engine's response as the client will see it, and the stream of its body.

    Attributes:
        elasticsearch: Whether the engine itself is Elasticsearch, whatever engine is emulated for clients.

    """

    status: int
    reason: str | None
    headers: CIMultiDict[str]
    content: aiohttp.StreamReader
    elasticsearch: bool
