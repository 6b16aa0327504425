"""Requests to the engine and responses from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
from aiohttp.http import StreamWriter
from multidict import CIMultiDict


class Stream(ABC):
    """A body that can be read once, chunk by chunk."""

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the chunks of this body. Raises RequestError if the client's body is malformed."""

    async def copy_stream(self, sink: StreamWriter) -> None:
        """Write all chunks of this body to *sink*. Raises RequestError if the client's body is malformed."""
        async for chunk in self:
            await sink.write(chunk)

    def close(self) -> None:  # noqa: B027 - most bodies hold nothing
        """Release the resources of a body that will not be read."""


Body = bytes | Stream | None


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """A request to the engine.

    Attributes:
        target: The raw path and query string.
        retryable: Whether to send the request again if the engine closes the connection; never true for writes.
        use_service_credentials: Whether to send es-rerank's own credentials or signature instead of the caller's.

    """

    method: str
    target: str
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: Body = None
    retryable: bool = False
    use_service_credentials: bool = False


@dataclass(frozen=True, slots=True)
class EngineResponse:
    """A response of the engine: the status and the headers for the client, and the stream of the body.

    Attributes:
        elasticsearch: Whether the engine is Elasticsearch, even if another engine is emulated for clients.

    """

    status: int
    reason: str | None
    headers: CIMultiDict[str]
    content: aiohttp.StreamReader
    elasticsearch: bool
