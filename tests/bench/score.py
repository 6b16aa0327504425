"""How fast a rerank server with vLLM's `/score` is: `python -m tests.bench.score URL`.

For passages of several lengths, in requests of several sizes, so many at a time. The tokens are those of the passages,
reckoned as the endpoint does; what a server puts around them comes on top.
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
AT_A_TIME = (1, 8)
BYTES_A_TOKEN = 3.5


def passage(at: int, length: int) -> str:
    """Write a passage of about so many tokens."""
    text = " ".join(WORDS[(at + step) % len(WORDS)] for step in range(length))
    return text[: int((length - 1) * BYTES_A_TOKEN)]


async def took(session: aiohttp.ClientSession, texts: Sequence[str], at_a_time: int, seconds: float) -> list[float]:
    """Ask for some seconds; gives the seconds of each request."""
    until = time.monotonic() + seconds
    numbers, found = count(), []

    async def over_and_over() -> None:
        while (began := time.monotonic()) < until:
            asked = {"text_1": f"rain nr{next(numbers)}", "text_2": texts}
            async with session.post("/score", json=asked) as answer:
                assert len((await answer.json())["data"]) == len(texts)
            found.append(time.monotonic() - began)

    await asyncio.gather(*(over_and_over() for _ in range(at_a_time)))
    return found


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.score", description=__doc__.partition(":")[0])
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=5)
    asked = parser.parse_args()
    sys.stdout.write("tokens window at a time requests/s passages/s   tokens/s median ms  most ms\n")
    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(asked.url, timeout=timeout) as session:
        for length, window, at_a_time in product(LENGTHS, WINDOWS, AT_A_TIME):
            texts = [passage(at, length) for at in range(window)]
            began = time.monotonic()
            found = await took(session, texts, at_a_time, asked.seconds)
            rate = len(found) / (time.monotonic() - began)
            tokens = sum(map(approximate_tokens, texts))
            sys.stdout.write(
                f"{length:6} {window:6} {at_a_time:9} {rate:10.1f} {rate * window:10.0f} {rate * tokens:10.0f} "
                f"{median(found) * 1000:9.0f} {max(found) * 1000:8.0f}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
