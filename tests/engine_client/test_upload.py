from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from es_rerank.engine_client.upload import UploadPayload, WatchedUpload
from es_rerank.errors import RequestError
from tests.engine_client.chunks import Chunks


class Sink:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.taken = b""

    async def write(self, chunk: bytes) -> None:
        self.taken += chunk


async def body(*, breaks: bool = False) -> AsyncIterator[bytes]:
    yield b"one "
    if breaks:
        raise RequestError("malformed")
    yield b"body"


async def sent(watched: WatchedUpload) -> bytes:
    sink: Any = Sink()
    await UploadPayload(watched).write_with_length(sink, 8)
    return bytes(sink.taken)


async def test_a_body_that_was_written_has_ended() -> None:
    watched = WatchedUpload(Chunks(body()))
    assert not watched.ended
    assert await sent(watched) == b"one body"
    assert (watched.ended, watched.fault) == (True, None)
    await watched.stopped()


async def test_a_body_that_was_read_in_chunks_has_ended() -> None:
    watched = WatchedUpload(Chunks(body()))
    chunks = aiter(watched)
    assert (await anext(chunks), watched.ended) == (b"one ", False)
    assert [chunk async for chunk in chunks] == [b"body"]
    assert watched.ended


async def test_a_body_that_cannot_be_read_has_a_fault() -> None:
    watched = WatchedUpload(Chunks(body(breaks=True)))
    with pytest.raises(RequestError):
        await sent(watched)
    assert not watched.ended
    assert str(watched.fault) == "malformed"
    await watched.stopped()


def test_a_streamed_body_cannot_be_decoded() -> None:
    with pytest.raises(TypeError):
        UploadPayload(Chunks(body())).decode()


async def test_whether_the_body_is_being_read_can_be_waited_for() -> None:
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"first"
        await go_on.wait()

    watched = WatchedUpload(Chunks(slow()))
    writing = asyncio.create_task(sent(watched))
    await asyncio.sleep(0)
    stopped = asyncio.create_task(watched.stopped())
    done, _ = await asyncio.wait([stopped], timeout=0.02)
    assert not done
    go_on.set()
    await asyncio.wait_for(stopped, 5)
    assert (await writing, watched.ended) == (b"first", True)


async def test_an_upload_that_is_cancelled_has_stopped_and_not_ended() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.Event().wait()

    watched = WatchedUpload(Chunks(endless()))
    writing = asyncio.create_task(sent(watched))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait([writing])
    await asyncio.wait_for(watched.stopped(), 5)
    assert (watched.ended, watched.fault) == (False, None)
