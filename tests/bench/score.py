"""Throughput of a rerank server with vLLM's `/score`: `python -m tests.bench.score URL`.

Measured for several passage lengths, request sizes and numbers of requests in flight. Tokens are those of the passages
as the endpoint estimates them; the prompt template comes on top.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from itertools import count, product
from statistics import median

import aiohttp

from es_rerank.rerank.prompt import approximate_tokens
from tests.bench.load import WORDS

LENGTHS = (128, 256, 512)
WINDOWS = (50, 100)
IN_FLIGHT = (1, 8)
BYTES_PER_TOKEN = 3.5


def passage(number: int, length: int) -> str:
    """Write a passage of about *length* tokens."""
    text = " ".join(WORDS[(number + step) % len(WORDS)] for step in range(length))
    return text[: int((length - 1) * BYTES_PER_TOKEN)]


async def took(session: aiohttp.ClientSession, texts: Sequence[str], in_flight: int, seconds: float) -> list[float]:
    """Send requests for some seconds; return the duration of each in seconds."""
    until = time.monotonic() + seconds
    numbers, durations = count(), []

    async def send_repeatedly() -> None:
        while (started_at := time.monotonic()) < until:
            body = {"text_1": f"rain nr{next(numbers)}", "text_2": texts}
            async with session.post("/score", json=body) as answer:
                assert len((await answer.json())["data"]) == len(texts)
            durations.append(time.monotonic() - started_at)

    await asyncio.gather(*(send_repeatedly() for _ in range(in_flight)))
    return durations


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.score", description=__doc__.partition(":")[0])
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    sys.stdout.write("tokens window in flight requests/s passages/s   tokens/s median ms   max ms\n")
    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(options.url, timeout=timeout) as session:
        for length, window, in_flight in product(LENGTHS, WINDOWS, IN_FLIGHT):
            texts = [passage(number, length) for number in range(window)]
            started_at = time.monotonic()
            durations = await took(session, texts, in_flight, options.seconds)
            rate = len(durations) / (time.monotonic() - started_at)
            tokens = rate * sum(map(approximate_tokens, map(len, texts)))
            sys.stdout.write(
                f"{length:6} {window:6} {in_flight:9} {rate:10.1f} {rate * window:10.0f} {tokens:10.0f} "
                f"{median(durations) * 1000:9.0f} {max(durations) * 1000:8.0f}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
