"""The client of the rerank servers on a virtual clock (tests/bench/simulation.py): no time of this machine counts."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from tests.bench.simulation import (
    TOLERANCE,
    Ended,
    Fault,
    Result,
    Scenario,
    arguments,
    rows,
    scenarios,
    simulated,
)
from tests.bench.virtual_clock import run_virtually

SMALL = Scenario(replicas=4, servers=5, warm_up=3.0, seconds=6.0)


@pytest.fixture(scope="module")
def overloaded() -> Result:
    return simulated(SMALL)


async def a_week() -> list[float]:
    async def later(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return time.monotonic()

    return await asyncio.gather(later(604_800.0), later(0.5), later(3.0))


def test_time_jumps_to_the_next_timer() -> None:
    before = time.monotonic()
    assert run_virtually(a_week) == [604_800.0, 0.5, 3.0]
    assert before <= time.monotonic() < before + 604_800.0


def test_waiting_forever_and_threads_are_errors() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    async def thread() -> None:
        await asyncio.to_thread(time.monotonic)

    with pytest.raises(RuntimeError, match="there is no timer"):
        run_virtually(forever)
    with pytest.raises(RuntimeError, match="a thread takes real time"):
        run_virtually(thread)


def test_the_same_seed_gives_the_same_searches(overloaded: Result) -> None:
    assert simulated(SMALL) == overloaded
    assert simulated(replace(SMALL, seed=2)).searches != overloaded.searches


def test_below_the_throughput_every_document_is_scored() -> None:
    calm = simulated(replace(SMALL, load=0.3))
    assert {one.documents for one in calm.searches} == {SMALL.window}
    assert 0.2 < calm.goodput < 0.45
    assert calm.busy == pytest.approx(calm.goodput, abs=0.02)


@pytest.mark.parametrize(("fault", "least"), [(Fault.NONE, 0.9), (Fault.SLOW, 0.85), (Fault.KILLED, 0.85)])
def test_at_twice_the_throughput_servers_are_busy_with_searches_that_end_in_time(fault: Fault, least: float) -> None:
    result = simulated(replace(SMALL, fault=fault))
    assert len(result.searches) > 200
    assert result.late == 0
    assert result.longest <= SMALL.deadline + TOLERANCE
    assert least <= result.goodput <= 1.1, "work that was done just before the measurement is counted too"
    assert result.busy == pytest.approx(1.0, abs=0.05)


def test_faults_lower_the_capacity() -> None:
    assert SMALL.capacity == 1_500_000
    assert [replace(SMALL, fault=fault).capacity for fault in Fault] == pytest.approx([1_500_000, 1_230_000, 1_350_000])
    assert [replace(SMALL, fault=Fault.SLOW, servers=servers).faulty for servers in (1, 5, 50)] == [1, 1, 5]


def test_many_endpoints_share_the_servers_evenly() -> None:
    """If all endpoints chose the first of several idle servers, the other servers would be idle."""
    result = simulated(Scenario(replicas=40, servers=20, load=0.7, warm_up=4.0, seconds=4.0))
    assert result.reranked == 1.0
    assert result.goodput == pytest.approx(0.7, abs=0.1)


def test_late_searches_do_not_count() -> None:
    ended = [Ended(6.0, 3.0, 50, 60_000), Ended(7.0, 3.1, 50, 60_000), Ended(8.0, 1.0, 0, 0)]
    result = Result(SMALL, ended, 3.1, 150_000.0)
    assert (result.late, result.goodput, result.busy, result.reranked) == (1, 0.04, 0.1, pytest.approx(1 / 3))


def test_the_table_has_a_row_for_each_size(overloaded: Result) -> None:
    options = arguments(["--replicas", "4", "--servers", "1", "5", "--load", "3", "--seconds", "7"])
    planned = scenarios(options)
    assert [(one.replicas, one.servers, one.fault, one.load, one.seconds) for one in planned] == [
        (4, 1, Fault.NONE, 3.0, 7.0),
        *((4, 5, fault, 3.0, 7.0) for fault in Fault),
    ]
    results: list[Any] = [replace(overloaded, scenario=scenario) for scenario in planned]
    shown = list(rows(results))
    assert [row[:2] for row in shown] == [("4", "1"), ("4", "5")]
    assert [bool(row[5]) for row in shown] == [False, True]
    assert {len(row) for row in shown} == {9}
