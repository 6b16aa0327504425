"""Whatever the model does, 200 searches at a time get the engine's page: the table of docs/faults.md, as found."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from es_rerank.parts.engines import Engine

from .conftest import Serve
from .endpoint import Endpoint
from .faulty import FAULTS, Faulty, good
from .wire import fill

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
INDEX = "faults"
SEARCHES = 200
RECOVERY_S = 5.0
DOCUMENTS = {f"f{at}": {"body": f"Storm {at} brought rain and wind. " + "Rain. " * (at % 7)} for at in range(30)}
DEADLINE = "2s"
FOUND: dict[str, str] = {}


@pytest.fixture(scope="module")
def faulty() -> Iterator[Faulty]:
    with Faulty() as server:
        yield server


@pytest.fixture(scope="module")
def engine(opensearch: Engine) -> Engine:
    fill(opensearch.url, INDEX, {"properties": {"body": {"type": "text"}}}, DOCUMENTS)
    return opensearch


@pytest.fixture(scope="module")
def endpoint(engine: Engine, faulty: Faulty, serve: Serve) -> Endpoint:
    flags = ("--reranker", faulty.url, "--profile", "bge-reranker", "--tokenizer", "estimate", "--no-self-test")
    return serve(engine.url, *flags, "--window", "10", "--deadline", DEADLINE, "--queue", "1000")


def search(at: int) -> bytes:
    """Write one of many searches, each with words of its own, so that no score is remembered."""
    return json.dumps({"query": {"match": {"body": f"rain and wind in storm {at}"}}, "size": 5}).encode()


async def one(session: aiohttp.ClientSession, url: str, at: int) -> tuple[int, str, object]:
    """Search once: status, what became of it, and the page."""
    headers = {"Content-Type": "application/json"}
    async with session.post(f"{url}/{INDEX}/_search", data=search(at), headers=headers) as answer:
        text = await answer.read()
        page = json.loads(text)["hits"] if answer.status == 200 else text
        return answer.status, answer.headers.get("X-Rerank", ""), page


async def all_at_once(url: str, first: int) -> list[tuple[int, str, object]]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        return await asyncio.gather(*(one(session, url, first + at) for at in range(SEARCHES)))


async def reranks_again(url: str, first: int) -> bool:
    """Search until a search is reranked, for as long as that may take."""
    until = time.monotonic() + RECOVERY_S
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < until:
            first += 1
            _, said, _ = await one(session, url, first)
            if said.startswith("reranked"):
                return True
            await asyncio.sleep(0.1)
    return False


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_of_the_model_costs_nobody_a_page(
    name: str, engine: Engine, endpoint: Endpoint, faulty: Faulty
) -> None:
    behave, reasons = FAULTS[name]
    first = 10_000 * (1 + list(FAULTS).index(name))
    direct = await all_at_once(engine.url, first)
    assert await reranks_again(endpoint.url, first + 5000)
    faulty.behave = behave
    through = await all_at_once(endpoint.url, first)
    faulty.behave = good
    errors = sum(status != 200 for status, _, _ in through)
    wrong = sum(page != expected for (_, _, page), (_, _, expected) in zip(through, direct, strict=True))
    told = {said.partition("why=")[2] for _, said, _ in through}
    again = await reranks_again(endpoint.url, first + 8000)
    FOUND[name] = f"| {name} | {', '.join(sorted(reasons))} | {errors} | {wrong} | {'yes' if again else 'no'} |"
    assert (errors, wrong, again) == (0, 0, True)
    # The breaker says the reason that opened it.
    assert told <= reasons | {"breaker"}
    assert told & reasons


def test_the_page_says_what_was_found(update: bool) -> None:
    if len(FOUND) < len(FAULTS):
        pytest.fail("run all of this module: the page is written from all of its faults")
    text = "\n".join([HEAD, *FOUND.values(), ""])
    if update:
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text


HEAD = f"""# When the model fails

Each row: a rerank server that does this, and {SEARCHES} searches at once through an endpoint in front of a real
OpenSearch. Every one must be answered with status 200 and the engine's own page; and when the server is well again,
searches must be reranked again within {RECOVERY_S:.0f} s. It is written by the run and never by hand:
`.venv/bin/pytest tests/live/test_faults.py --update-cases`.

| the rerank server | `X-Rerank: failed; why=` | errors | wrong pages | reranked again |
| --- | --- | --- | --- | --- |"""
