from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import nullcontext

import pytest

from es_rerank.model import Failed, Why
from es_rerank.rerank_client.inflight import InFlight

PAST, FUTURE = 0.0, math.inf
Request = Callable[[], Coroutine[None, None, list[float] | Failed]]


class Cache(dict[bytes, float]):
    """What was passed on to be remembered."""

    def put_many(self, keys: Collection[bytes], scores: Sequence[float]) -> None:
        self.update(zip(keys, scores, strict=True))


def request(*scores: float, seconds: float = 0.0, fault: Failed | None = None) -> Request:
    async def ask() -> list[float] | Failed:
        await asyncio.sleep(seconds)
        return fault or list(scores)

    return ask


async def wait(inflight: InFlight, keys: Sequence[bytes]) -> dict[bytes, float | Failed]:
    """Wait for pairs as a search does."""
    found: dict[bytes, float | Failed] = {}
    with inflight.awaited(keys) as wanted:
        for batch, own in wanted.items():
            answer = await asyncio.shield(batch.answer)
            found |= {key: answer if isinstance(answer, Failed) else answer[batch.positions[key]] for key in own}
    return found


async def turn() -> None:
    """Run all ready tasks, and the tasks that they schedule."""
    for _ in range(4):
        await asyncio.sleep(0)


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def inflight(cache: Cache) -> InFlight:
    return InFlight(cache.put_many)


async def test_all_searches_that_wait_get_the_scores_of_their_pairs(inflight: InFlight, cache: Cache) -> None:
    inflight.start([b"a", b"b"], request(1.0, 2.0))
    inflight.start([b"c"], request(3.0))
    assert inflight.not_started([b"d", b"a", b"c", b"e"]) == [b"d", b"e"]
    found = await asyncio.gather(wait(inflight, [b"c", b"a"]), wait(inflight, [b"b"]))
    assert found == [{b"c": 3.0, b"a": 1.0}, {b"b": 2.0}]
    assert cache == {b"a": 1.0, b"b": 2.0, b"c": 3.0}
    assert inflight.not_started([b"a", b"b", b"c"]) == [b"a", b"b", b"c"]


async def test_a_fault_reaches_all_searches_that_wait_and_is_not_remembered(inflight: InFlight, cache: Cache) -> None:
    fault = Failed(Why.REFUSED)
    inflight.start([b"a"], request(fault=fault))
    assert await asyncio.gather(*(wait(inflight, [b"a"]) for _ in range(2))) == [{b"a": fault}] * 2
    assert cache == {}


async def test_a_batch_without_waiters_is_canceled(inflight: InFlight, cache: Cache) -> None:
    inflight.start([b"a"], request(1.0, seconds=9))
    both = [asyncio.create_task(wait(inflight, [b"a"])) for _ in range(2)]
    await turn()
    both[0].cancel()
    await turn()
    assert inflight.not_started([b"a"]) == [], "another search waits"
    both[1].cancel()
    await turn()
    assert inflight.not_started([b"a"]) == [b"a"]
    assert cache == {}


async def test_a_search_that_joins_a_batch_being_canceled_has_run_out_of_time(inflight: InFlight) -> None:
    inflight.start([b"a"], request(1.0, seconds=9))
    first = asyncio.create_task(wait(inflight, [b"a"]))
    await turn()
    first.cancel()
    await asyncio.sleep(0)
    assert inflight.not_started([b"a"]) == []
    assert await wait(inflight, [b"a"]) == {b"a": Failed(Why.DEADLINE)}


async def test_a_batch_that_is_canceled_before_it_was_sent_is_removed_too(inflight: InFlight) -> None:
    inflight.start([b"a"], request(1.0))
    with inflight.awaited([b"a"]):
        pass
    await turn()
    assert inflight.not_started([b"a"]) == [b"a"]


async def test_an_internal_error_reaches_all_searches_that_wait(inflight: InFlight) -> None:
    async def broken() -> list[float] | Failed:
        raise ZeroDivisionError

    inflight.start([b"a"], broken)
    found = await asyncio.gather(*(wait(inflight, [b"a"]) for _ in range(2)), return_exceptions=True)
    assert [type(one) for one in found] == [ZeroDivisionError] * 2


async def test_closing_cancels_all_batches_and_waits_for_their_end(inflight: InFlight) -> None:
    inflight.start([b"a"], request(1.0, seconds=9))
    waiting = asyncio.create_task(wait(inflight, [b"a"]))
    await turn()
    (task,) = inflight.cancel_all()
    await inflight.close()
    assert task.done()
    assert await waiting == {b"a": Failed(Why.DEADLINE)}


async def test_a_batch_that_a_search_had_no_more_time_for_is_kept(cache: Cache) -> None:
    inflight: InFlight[float] = InFlight(cache.put_many, max_kept=2)
    gate = asyncio.Event()

    async def held() -> list[float] | Failed:
        await gate.wait()
        return [1.0, 2.0]

    inflight.start([b"a", b"b"], held)
    with inflight.awaited([b"a"], PAST):
        await turn()
    other = asyncio.create_task(wait(inflight, [b"b"]))
    await turn()
    other.cancel()
    await turn()
    assert (b"a" in inflight, b"c" in inflight, len(inflight)) == (True, False, 2)
    gate.set()
    await turn()
    assert (cache, len(inflight)) == ({b"a": 1.0, b"b": 2.0}, 0)


@pytest.mark.parametrize(("max_kept", "kept"), [(0, 0), (1, 0), (2, 2)])
async def test_no_more_than_so_many_values_are_kept(cache: Cache, max_kept: int, kept: int) -> None:
    inflight: InFlight[float] = InFlight(cache.put_many, max_kept)
    inflight.start([b"a", b"b"], request(1.0, 2.0, seconds=9))
    with inflight.awaited([b"a"], PAST):
        await turn()
    await turn()
    assert len(inflight) == kept
    await inflight.close()


@pytest.mark.parametrize(("deadline", "kept"), [(FUTURE, 0), (PAST, 1)])
@pytest.mark.parametrize("error", [None, asyncio.CancelledError, ZeroDivisionError])
async def test_a_batch_is_kept_if_the_deadline_has_passed_however_the_search_ends(
    deadline: float, kept: int, error: type[BaseException] | None, cache: Cache
) -> None:
    inflight: InFlight[float] = InFlight(cache.put_many, max_kept=9)
    inflight.start([b"a"], request(1.0, seconds=9))
    await turn()
    with pytest.raises(error) if error else nullcontext(), inflight.awaited([b"a"], deadline):
        if error:
            raise error
    await turn()
    assert len(inflight) == kept
    await inflight.close()
