from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest

from es_rerank.engine_client import buffered_body
from es_rerank.engine_client.buffered_body import buffered
from es_rerank.errors import RequestError
from tests.engine_client.chunks import Chunks


async def body(*chunks: bytes | Exception) -> AsyncIterator[bytes]:
    for chunk in chunks:
        if isinstance(chunk, Exception):
            raise chunk
        yield chunk


@pytest.mark.parametrize("in_memory", [1, 1024])
async def test_a_body_can_be_read_again_until_it_is_closed(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(buffered_body, "_CHUNK_BYTES", 4)
    monkeypatch.setattr(buffered_body, "_MAX_MEMORY_BYTES", in_memory)
    found, digest = await buffered(Chunks(body(b"01234", b"56789")), 10)
    assert (found.size, digest) == (10, hashlib.sha256(b"0123456789").hexdigest())
    chunks = aiter(found)
    assert await anext(chunks) == b"0123"
    for _ in range(2):
        assert [chunk async for chunk in found] == [b"0123", b"4567", b"89"]
    found.close()
    with pytest.raises(ValueError, match="closed"):
        await anext(aiter(found))


@pytest.mark.parametrize("error", [RequestError("malformed"), ConnectionResetError("the client is gone")])
async def test_an_error_of_the_body_is_not_one_of_the_disk(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        await buffered(Chunks(body(b"01234", error)), 10)
    assert caught.value is error


async def test_a_body_that_is_too_long_is_not_buffered() -> None:
    with pytest.raises(RequestError, match="longer than 9 bytes") as caught:
        await buffered(Chunks(body(b"01234", b"56789", AssertionError("it is read no further"))), 9)
    assert caught.value.status == 413
