from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from es_rerank.model import Failed, Why
from es_rerank.rerank_client import shared_cache
from es_rerank.rerank_client.lru_cache import LruCache
from es_rerank.rerank_client.shared_cache import SCORES, VECTORS, SharedCache
from es_rerank.testing import until

DOWN = Failed(Why.UNREACHABLE, "refused")
MANY = 20


class FakeStore:
    """A store in memory that fails or hangs on request."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.failure: Failed | None = None
        self.answering = asyncio.Event()
        self.answering.set()
        self.reads: list[Sequence[bytes]] = []
        self.writes: list[int] = []
        self.pings = 0
        self.closed = False

    async def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None] | Failed:
        self.reads.append(keys)
        await self.answering.wait()
        return self.failure or [self.values.get(key) for key in keys]

    async def put_many(self, values: Mapping[bytes, bytes]) -> Failed | None:
        self.writes.append(len(values))
        await self.answering.wait()
        self.values |= {} if self.failure else values
        return self.failure

    async def ping(self) -> Failed | None:
        self.pings += 1
        return self.failure

    async def close(self) -> None:
        self.closed = True


@asynccontextmanager
async def sharing(
    seconds: float = 0.05, used: FakeStore | None = None
) -> AsyncIterator[tuple[SharedCache[float], FakeStore, LruCache[float]]]:
    store, local = used or FakeStore(), LruCache[float]("scores", 100)
    cache = SharedCache(store, SCORES, "p:", seconds, local.put_many)
    with capture_logs():
        try:
            yield cache, store, local
        finally:
            await cache.close()
    assert store.closed


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_cache, "_PING_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(shared_cache, "_FAULT_SECONDS", 0.0)


async def test_what_one_process_stores_another_one_finds() -> None:
    async with sharing() as (one, store, _), sharing(used=store) as (other, _, local):
        one.put_many([b"a", b"b"], [1.5, -2.0])
        await until(lambda: len(store.values) == 2)
        assert await other.get_many([b"a", b"b", b"c"]) == {b"a": 1.5, b"b": -2.0}
        assert local.get_many([b"a", b"b", b"c"]) == {b"a": 1.5, b"b": -2.0}
        assert other.counts == {"hit": 2, "miss": 1}
        assert store.reads == [[b"p:a", b"p:b", b"p:c"]]


async def test_nothing_but_the_prefix_digests_and_numbers_is_stored() -> None:
    async with sharing() as (cache, store, _):
        cache.put_many([bytes(16)], [0.25])
        await until(lambda: store.values)
        assert store.values == {b"p:" + bytes(16): b"\0\0\0\0\0\0\xd0?"}


@pytest.mark.parametrize("data", [b"", b"1.0", b"\0" * 7, b"\0" * 9, b"\0\0\0\0\0\0\xf8\x7f", b"\0\0\0\0\0\0\xf0\x7f"])
async def test_what_is_no_score_is_not_used(data: bytes) -> None:
    async with sharing() as (cache, store, local):
        store.values[b"p:a"] = data
        assert await cache.get_many([b"a"]) == {}
        assert (cache.counts, len(local)) == ({"hit": 0, "miss": 1}, 0)


@pytest.mark.parametrize("score", [0.0, -1.5, 1e-300, 12345.678])
def test_scores_and_vectors_are_read_as_they_were_written(score: float) -> None:
    assert SCORES.decode(SCORES.encode(score)) == score
    assert VECTORS.decode(VECTORS.encode(b"\0\1")) == b"\0\1"
    assert VECTORS.decode(b"") is None


async def test_a_late_answer_is_a_miss_for_the_search_and_kept_for_the_next_one() -> None:
    async with sharing(seconds=0.01) as (cache, store, local):
        store.values[b"p:a"] = SCORES.encode(1.0)
        store.answering.clear()
        assert await cache.get_many([b"a"]) == {}
        assert cache.counts == {"unavailable": 1}
        store.answering.set()
        await until(lambda: local.get_many([b"a"]) == {b"a": 1.0})


async def test_an_answer_that_arrives_while_the_process_is_busy_is_in_time() -> None:
    class BusyStore(FakeStore):
        async def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None] | Failed:
            await asyncio.sleep(0)
            time.sleep(0.02)  # noqa: ASYNC251 - it is the event loop that is busy
            await asyncio.sleep(0)
            return await super().get_many(keys)

    async with sharing(seconds=0.01, used=BusyStore()) as (cache, store, _):
        store.values[b"p:a"] = SCORES.encode(1.0)
        assert await cache.get_many([b"a"]) == {b"a": 1.0}


async def test_a_search_that_is_canceled_does_not_cancel_the_lookup() -> None:
    async with sharing(seconds=5) as (cache, store, local):
        store.values[b"p:a"] = SCORES.encode(1.0)
        store.answering.clear()
        search = asyncio.create_task(cache.get_many([b"a"]))
        await until(lambda: store.reads)
        search.cancel()
        await asyncio.gather(search, return_exceptions=True)
        store.answering.set()
        await until(lambda: len(local) == 1)


@pytest.mark.parametrize("hang", [False, True])
async def test_after_several_faults_the_store_is_asked_again_only_after_a_ping(hang: bool) -> None:
    async with sharing(seconds=0.001) as (cache, store, _):
        store.values[b"p:a"] = SCORES.encode(1.0)
        store.failure = DOWN
        if hang:
            store.answering.clear()
        for _ in range(MANY):
            assert await cache.get_many([b"a"]) == {}
        assert len(store.reads) == 5
        cache.put_many([b"b"], [1.0])
        await until(lambda: store.pings > 2)
        assert (store.writes, cache.counts) == ([], {"unavailable": MANY})
        store.failure = None
        store.answering.set()
        await until(lambda: cache._is_used)
        cache._seconds = 5
        assert await cache.get_many([b"a"]) == {b"a": 1.0}


async def test_faults_at_the_same_time_count_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_cache, "_FAULT_SECONDS", 0.05)
    async with sharing() as (cache, store, _):
        store.failure = DOWN
        await asyncio.gather(*(cache.get_many([b"a"]) for _ in range(MANY)))
        assert cache._is_used
        await asyncio.sleep(0.06)
        await cache.get_many([b"a"])
        assert not cache._is_used


async def test_faults_that_are_not_in_a_row_do_not_count() -> None:
    async with sharing() as (cache, store, _):
        for number in range(MANY):
            store.failure = None if number % 5 == 4 else DOWN
            await cache.get_many([b"a"])
        assert len(store.reads) == MANY


async def test_values_are_written_in_batches_and_not_held_without_limit() -> None:
    async with sharing() as (cache, store, _):
        store.answering.clear()
        for number in range(25):
            keys = [b"%d-%d" % (number, one) for one in range(499)]
            cache.put_many(keys, [1.0] * 499)
        assert len(cache._waiting) == 9980
        store.answering.set()
        await until(lambda: len(store.values) == 9980)
        assert max(store.writes) == 500
        cache.put_many([b"again"], [1.0])
        await until(lambda: b"p:again" in store.values)


async def test_values_that_cannot_be_written_are_dropped() -> None:
    async with sharing() as (cache, store, _):
        store.failure = DOWN
        cache.put_many([b"a"], [1.0])
        await until(lambda: not cache._waiting)
        store.failure = None
        cache.put_many([b"b"], [1.0])
        await until(lambda: store.values.keys() == {b"p:b"})


async def test_a_cache_with_wrong_values_is_not_used_any_more() -> None:
    async with sharing() as (cache, store, _):
        cache.stop("wrong")
        assert await cache.get_many([b"a"]) == {}
        cache.put_many([b"a"], [1.0])
        assert (store.reads, store.writes, repr(cache)) == (
            [],
            [],
            "<SharedCache p: stopped: {'unavailable': 1}, 0 to write>",
        )


async def test_the_store_is_connected_at_the_start() -> None:
    async with sharing() as (cache, store, _):
        await cache.start()
        assert store.pings == 1


async def test_closing_ends_a_write_that_hangs() -> None:
    async with sharing() as (cache, store, _):
        store.answering.clear()
        cache.put_many([b"a"], [math.pi])
        await until(lambda: store.writes)
    assert not cache._tasks
