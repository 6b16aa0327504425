"""Request bodies for tests."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

from es_rerank.net.messages import Stream


class Chunks(Stream):
    """A body from an asynchronous iterable of chunks."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._chunks)
