from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from es_rerank.engine_client.upload import UploadPayload, WatchedUpload
from es_rerank.errors import RequestError
from es_rerank.net.messages import Chunks


class Sink:
    """Takes what is written."""

    def __init__(self) -> None:
        self.taken = b""

    async def write(self, chunk: bytes) -> None:
        self.taken += chunk


async def body(*, breaks: bool = False) -> AsyncIterator[bytes]:
    yield b"one "
    if breaks:
        raise RequestError("malformed")
    yield b"body"


async def poured(watched: WatchedUpload) -> bytes:
    sink: Any = Sink()
    await UploadPayload(watched).write_with_length(sink, 8)
    return bytes(sink.taken)


async def test_a_body_that_ended() -> None:
    watched = WatchedUpload(Chunks(body()))
    assert not watched.ended
    assert await poured(watched) == b"one body"
    assert (watched.ended, watched.fault) == (True, None)
    await watched.stopped()


async def test_a_body_that_is_read_bit_by_bit_ends_too() -> None:
    watched = WatchedUpload(Chunks(body()))
    assert [chunk async for chunk in watched] == [b"one ", b"body"]
    assert watched.ended


async def test_a_body_that_breaks() -> None:
    watched = WatchedUpload(Chunks(body(breaks=True)))
    with pytest.raises(RequestError):
        await poured(watched)
    assert not watched.ended
    assert str(watched.fault) == "malformed"
    await watched.stopped()


def test_it_is_not_decoded() -> None:
    with pytest.raises(TypeError):
        UploadPayload(Chunks(body())).decode()
