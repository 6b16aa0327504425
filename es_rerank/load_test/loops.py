"""Sends the searches of a load test, in a closed or an open loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp

from es_rerank.evaluation.client import SearchError, SearchTimeoutError, post
from es_rerank.evaluation.values import Side
from es_rerank.load_test.tally import Tally
from es_rerank.load_test.values import Block, Load, Requests, blocks

# Each search in flight needs a connection. The usual limit of a process is 1,024 open file descriptors.
MAX_IN_FLIGHT = 500
# A search that cannot be sent within this time after the end of its block is counted as unsent.
_GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class LoadTest:
    """A load test of the endpoint and of a baseline.

    Attributes:
        load: The load.
        requests: The searches to send to the endpoint and to the baseline.
        tallies: The counts and times of the searches of the endpoint and of the baseline, updated after each search.
        progress: Called after each search, with the number of seconds since the start of the test.

    """

    load: Load
    requests: Mapping[Side, Requests]
    tallies: Mapping[Side, Tally]
    progress: Callable[[float], object]


async def run(test: LoadTest, client: aiohttp.ClientSession) -> None:
    """Send the searches of a test to the endpoint and to the baseline in turns, see `blocks`."""
    loop = _closed_loop if test.load.rate is None else _open_loop
    sender = _Sender(test, client, time.monotonic())
    for block in blocks(test.load):
        await loop(sender, block)


class _Sender:
    """Sends single searches, and adds their results to the tally of their side."""

    def __init__(self, test: LoadTest, client: aiohttp.ClientSession, started: float) -> None:
        self.test = test
        self._client = client
        self._started = started

    async def send(self, side: Side, body: bytes, due: float) -> None:
        """Send one search that was due when `time.monotonic()` was *due*, and add its result to the tally."""
        target, tally = self.test.requests[side].target, self.test.tallies[side]
        try:
            tally.add(await post(self._client, target, body), time.monotonic() - due)
        except SearchError as error:
            if isinstance(error, SearchTimeoutError):
                tally.times.record(time.monotonic() - due)
            tally.add_error(str(error).removeprefix(f"{target.search_url}: "))
        self.test.progress(time.monotonic() - self._started)


async def _closed_loop(sender: _Sender, block: Block) -> None:
    """Send the searches of one block from several clients, each of which waits for the response to its last search."""
    requests, tally = sender.test.requests[block.side], sender.test.tallies[block.side]
    started = time.monotonic()

    async def client() -> None:
        while (due := time.monotonic()) < started + block.seconds and (body := requests.next_body()) is not None:
            await sender.send(block.side, body, due)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(sender.test.load.clients):
                group.create_task(client())
    finally:
        tally.busy_seconds += time.monotonic() - started


async def _open_loop(sender: _Sender, block: Block) -> None:
    """Send the searches of one block at a fixed rate, whether or not earlier searches have been answered.

    The response time of a search is measured from the time at which it was due, not from the time at which it was sent.
    It therefore includes the delay if earlier searches took too long, so there is no coordinated omission.
    """
    requests, tally = sender.test.requests[block.side], sender.test.tallies[block.side]
    rate, planned = sender.test.load.rate or 1.0, block.seconds
    started, slots, count = time.monotonic(), asyncio.Semaphore(MAX_IN_FLIGHT), round(block.seconds * rate)

    async def send(body: bytes, due: float) -> None:
        try:
            await sender.send(block.side, body, due)
        finally:
            slots.release()

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                due = started + number / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await slots.acquire()
                if time.monotonic() > started + block.seconds + _GRACE_SECONDS:
                    tally.unsent += count - number
                    break
                if (body := requests.next_body()) is None:
                    planned = 0.0
                    break
                group.create_task(send(body, due))
    finally:
        tally.busy_seconds += max(planned, time.monotonic() - started)
