"""What is said to the engine, and what it says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field

import aiohttp
from aiohttp.http import StreamWriter
from multidict import CIMultiDict


class Stream(ABC):
    """A body that comes bit by bit, once."""

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the bits. Raises RequestError where the body cannot be read."""

    async def copy_stream(self, sink: StreamWriter) -> None:
        """Write all of it."""
        async for chunk in self:
            await sink.write(chunk)


class Chunks(Stream):
    """A body made of chunks."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        """Pass *chunks* on."""
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Give them."""
        return aiter(self._chunks)


Body = bytes | Stream | None


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """What is sent to the engine. `target` is the raw path with its query string, `retryable` allows a second try.

    A request whose connection the engine had closed is tried once more if it only reads; a write never is. Where not
    `use_service_credentials`, a caller without credentials gets none of the endpoint's own, and no signature.
    """

    method: str
    target: str
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: Body = None
    retryable: bool = False
    use_service_credentials: bool = True


@dataclass(frozen=True, slots=True)
class EngineResponse:
    """The head of an answer as clients are to see it, and the stream of its body.

    `elasticsearch`: the engine itself names that product, whatever clients are shown.
    """

    status: int
    reason: str | None
    headers: CIMultiDict[str]
    content: aiohttp.StreamReader
    elasticsearch: bool
