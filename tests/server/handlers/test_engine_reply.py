from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from multidict import CIMultiDict

from es_rerank.net.content_encoding import MAX_RATIO
from es_rerank.net.messages import EngineResponse
from es_rerank.server.handlers import engine_reply
from es_rerank.server.memory import MemoryBudget

TEXT = b'{"took":1}' * 100
# Without the time, so that all processes of a test run have the same names of tests.
GZIP = gzip.compress(TEXT, mtime=0)


class Stream:
    """A body that arrives in one piece."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._body


def answered(body: bytes, status: int = 200, coding: str = "", **more: Any) -> EngineResponse:
    content: Any = Stream(body)
    headers = CIMultiDict({"Content-Length": str(len(body)), "Warning": "299", "Content-Encoding": coding})
    if not coding:
        del headers["Content-Encoding"]
    return EngineResponse(status, "OK", headers, content, **{"elasticsearch": False, **more})


@pytest.mark.parametrize("elasticsearch", [True, False])
async def test_the_headers_of_a_reply_do_not_describe_the_body_of_the_engine(elasticsearch: bool) -> None:
    with MemoryBudget(10**6).hold() as hold:
        reply = await engine_reply.read_reply(answered(GZIP, 200, "gzip", elasticsearch=elasticsearch), 10**6, hold)
    assert (reply.status, reply.body, reply.error, reply.content_encoding) == (200, TEXT, b"", "gzip")
    assert dict(reply.headers) == {"Warning": "299"}
    assert reply.elasticsearch is elasticsearch


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, TEXT, b""),
        (201, None, b""),
        (400, None, TEXT),
        (401, None, TEXT),
        (403, None, TEXT),
        (404, None, TEXT),
        (405, None, b""),
        (429, None, b""),
        (500, None, b""),
    ],
)
@pytest.mark.parametrize("coding", ["", "gzip"])
async def test_only_the_bodies_of_results_and_of_rejected_requests_are_read(
    status: int, body: bytes | None, error: bytes, coding: str
) -> None:
    with MemoryBudget(10**6).hold() as hold:
        reply = await engine_reply.read_reply(answered(GZIP if coding else TEXT, status, coding), 10**6, hold)
    assert (reply.status, reply.body, reply.error) == (status, body, error)


@pytest.mark.parametrize(
    ("size", "status", "limit", "is_read"),
    [
        (1000, 200, 1000, True),
        (1001, 200, 1000, False),
        # Errors have a limit of their own.
        (65_536, 400, 1000, True),
        (65_537, 400, 10**6, False),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_a_body_that_is_too_large_is_not_kept(
    size: int, status: int, limit: int, is_read: bool, pack: Callable[[bytes], bytes]
) -> None:
    body = b"a" * size
    with MemoryBudget(10**6).hold() as hold:
        coding = "gzip" if pack is gzip.compress else ""
        reply = await engine_reply.read_reply(answered(pack(body), status, coding), limit, hold)
    assert (reply.body or reply.error) == (body if is_read else b"")


@pytest.mark.parametrize(
    ("body", "coding"), [(b"no gzip", "gzip"), (GZIP[:-10], "gzip"), (GZIP, "br"), (GZIP, "gzip, gzip")]
)
async def test_a_body_that_cannot_be_decoded_is_not_kept(body: bytes, coding: str) -> None:
    with MemoryBudget(10**6).hold() as hold:
        reply = await engine_reply.read_reply(answered(body, 200, coding), 10**6, hold)
        error = await engine_reply.read_reply(answered(body, 400, coding), 10**6, hold)
    assert (reply.body, reply.content_encoding) == (None, coding)
    assert (error.body, error.error) == (None, b"")


@pytest.mark.parametrize(
    ("body", "coding", "held"), [(TEXT, "", len(TEXT)), (GZIP, "gzip", len(GZIP) + len(TEXT)), (b"", "", 0)]
)
async def test_the_bytes_of_a_body_are_counted_compressed_and_decoded(body: bytes, coding: str, held: int) -> None:
    budget = MemoryBudget(held)
    with budget.hold() as hold:
        reply = await engine_reply.read_reply(answered(body, 200, coding), 10**6, hold)
        assert (reply.body, budget.held) == (TEXT if body else b"", held)
    if held:
        with MemoryBudget(held - 1).hold() as hold:
            assert (await engine_reply.read_reply(answered(body, 200, coding), 10**6, hold)).body is None


async def test_the_cost_of_decompression_is_that_of_the_largest_body(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    async def compute(size: int, function: Callable[..., Any], *arguments: Any) -> Any:
        sizes.append(size)
        return function(*arguments)

    monkeypatch.setattr(engine_reply, "compute", compute)
    with MemoryBudget(10**6).hold() as hold:
        assert (await engine_reply.read_reply(answered(GZIP, 200, "gzip"), 10**6, hold)).body == TEXT
    assert sizes == [len(GZIP) * MAX_RATIO]
