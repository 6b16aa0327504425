"""Searches without a pause from several connections, while the test changes what runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tests.bench.load import Client, Sample


@asynccontextmanager
async def searching(*urls: str, at_once: int = 4, pause: float = 0.0) -> AsyncIterator[list[Sample]]:
    """Search each endpoint from *at_once* connections, with a pause after each answer; the list grows with them."""
    samples: list[Sample] = []
    async with aiohttp.ClientSession() as session:
        clients = [Client(session, url) for url in urls]

        async def search(client: Client) -> None:
            while True:
                samples.append(await client.search(time.monotonic()))
                await asyncio.sleep(pause)

        tasks = [asyncio.create_task(search(client)) for client in clients for _ in range(at_once)]
        try:
            yield samples
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended
