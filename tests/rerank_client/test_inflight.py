from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from es_rerank.model import Failed, Why
from es_rerank.rerank_client.inflight import Asking, InFlight


class Remembered(dict[bytes, float]):
    """What a flight has told."""


def asking(*scores: float, seconds: float = 0.02, fault: Failed | None = None) -> Asking:
    async def ask() -> list[float] | Failed:
        await asyncio.sleep(seconds)
        return fault or list(scores)

    return ask


async def waited(flights: InFlight, keys: Sequence[bytes]) -> dict[bytes, float | Failed]:
    found: dict[bytes, float | Failed] = {}
    with flights.awaited(keys) as flying:
        for flight, own in flying.items():
            answer = await asyncio.shield(flight.answer)
            found |= {key: answer if isinstance(answer, Failed) else answer[flight.places[key]] for key in own}
    return found


@pytest.fixture
def known() -> Remembered:
    return Remembered()


@pytest.fixture
def flights(known: Remembered) -> InFlight:
    return InFlight(known.__setitem__)


async def test_all_who_wait_get_the_scores_of_their_pairs(flights: InFlight, known: Remembered) -> None:
    flights.begin([b"a", b"b"], asking(1.0, 2.0))
    flights.begin([b"c"], asking(3.0))
    found = await asyncio.gather(waited(flights, [b"c", b"a"]), waited(flights, [b"b"]))
    assert found == [{b"c": 3.0, b"a": 1.0}, {b"b": 2.0}]
    assert known == {b"a": 1.0, b"b": 2.0, b"c": 3.0}
    assert b"a" not in flights


async def test_a_fault_is_one_for_all_who_wait_and_is_not_remembered(flights: InFlight, known: Remembered) -> None:
    fault = Failed(Why.REFUSED)
    flights.begin([b"a"], asking(fault=fault))
    assert await asyncio.gather(*(waited(flights, [b"a"]) for _ in range(2))) == [{b"a": fault}] * 2
    assert known == {}


async def test_what_nobody_waits_for_any_more_is_called_off(flights: InFlight, known: Remembered) -> None:
    flights.begin([b"a"], asking(1.0, seconds=9))
    both = [asyncio.create_task(waited(flights, [b"a"])) for _ in range(2)]
    await asyncio.sleep(0)
    both[0].cancel()
    await asyncio.sleep(0.01)
    assert b"a" in flights, "another one waits"
    both[1].cancel()
    await asyncio.sleep(0.01)
    assert b"a" not in flights
    assert known == {}


async def test_who_joins_what_is_being_called_off_is_told_that_it_ran_out_of_time(flights: InFlight) -> None:
    flights.begin([b"a"], asking(1.0, seconds=9))
    first = asyncio.create_task(waited(flights, [b"a"]))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0)
    assert b"a" in flights
    assert await waited(flights, [b"a"]) == {b"a": Failed(Why.DEADLINE)}


async def test_what_is_called_off_before_it_began_is_gone_too(flights: InFlight) -> None:
    flights.begin([b"a"], asking(1.0))
    with flights.awaited([b"a"]):
        pass
    await asyncio.sleep(0.01)
    assert b"a" not in flights


async def test_a_slip_of_ours_is_one_for_all_who_wait(flights: InFlight) -> None:
    async def slip() -> list[float] | Failed:
        raise ZeroDivisionError

    flights.begin([b"a"], slip)
    found = await asyncio.gather(*(waited(flights, [b"a"]) for _ in range(2)), return_exceptions=True)
    assert [type(one) for one in found] == [ZeroDivisionError] * 2


async def test_closing_calls_all_off(flights: InFlight) -> None:
    flights.begin([b"a"], asking(1.0, seconds=9))
    waiting = asyncio.create_task(waited(flights, [b"a"]))
    await asyncio.sleep(0.01)
    await flights.close()
    assert await waiting == {b"a": Failed(Why.DEADLINE)}
