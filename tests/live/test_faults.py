"""Whatever the model does, 200 searches at a time get a right page: the table of docs/faults.md, as found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from es_rerank.parts.engines import Engine

from .conftest import Serve
from .endpoint import Endpoint
from .faulty import FAULTS, Fault, Faulty
from .load import Connection, at_once, p99_ms
from .page import DOCS, Table
from .storm import WINDOW, filled, right, search, told, windows

SEARCHES = 200
RECOVERY_S = 5
DEADLINE_S, GRACE_MS = 2, 50
# What may be said in any row: so many searches at once may be more than a small machine does in time.
LATE = frozenset({"deadline", "overloaded"})
# So many times as many searches as are measured, before: engines and endpoints are slow at first.
WARM = 5
P99 = "p99 (ms)"
TABLE = Table(
    DOCS / "faults.md",
    "# When the model fails",
    f"""
Each row: a rerank server that does this, and {SEARCHES} searches at once through an endpoint in front of a real
OpenSearch, with a deadline of {DEADLINE_S} s. Every one must be answered with status 200, and with the engine's own
page or, where the server did answer in the end, with the page in the model's order; and when the server is well again,
searches must be reranked again within {RECOVERY_S} s. Beside what a row says, some may be told `breaker`, which a fault
opened, and, for so many at once, `overloaded` or `deadline`. 99 of 100 answers must be there within the deadline and
{GRACE_MS} ms: that column is what was measured when the page was written, on two cores that client, endpoint, engine
and rerank server shared. It is written by the run and never by hand:
`.venv/bin/pytest tests/live/test_faults.py --update-cases`.
""",
    ("the rerank server", "`X-Rerank`", "errors", "wrong pages", P99, "reranked again"),
    measured=frozenset({P99}),
)


@pytest.fixture(scope="module")
def faulty() -> Iterator[Faulty]:
    with Faulty() as server:
        yield server


@pytest.fixture(scope="module")
def engine(opensearch: Engine) -> Engine:
    filled(opensearch.url)
    return opensearch


@pytest.fixture(scope="module")
async def endpoint(engine: Engine, faulty: Faulty, serve: Serve) -> Endpoint:
    """An endpoint that has worked for a while."""
    flags = ("--reranker", faulty.url, "--profile", "bge-reranker", "--tokenizer", "estimate", "--no-self-test")
    found = serve(
        engine.url, *flags, "--window", f"{WINDOW}", "--deadline", f"{DEADLINE_S}s", "--queue", f"{5 * SEARCHES}"
    )
    for first in range(0, WARM * SEARCHES, SEARCHES):
        await at_once(found.url, [search(first + at) for at in range(SEARCHES)])
    return found


async def reranks_again(url: str, first: int) -> bool:
    """Search until a search is reranked, for as long as that may take."""
    until = time.monotonic() + RECOVERY_S
    async with Connection(url) as connection:
        while time.monotonic() < until:
            first += 1
            if told((await connection.ask(search(first))).answer) == "reranked":
                return True
            await asyncio.sleep(0.1)
    return False


def words(fault: Fault) -> str:
    return "reranked" if "reranked" in fault.told else f"failed; why={', '.join(sorted(fault.told))}"


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_of_the_model_costs_nobody_a_page(
    name: str, engine: Engine, endpoint: Endpoint, faulty: Faulty
) -> None:
    fault = FAULTS[name]
    first = 10_000 * (1 + list(FAULTS).index(name))
    numbers = range(first, first + SEARCHES)
    direct = windows(engine.url, numbers)
    assert await reranks_again(endpoint.url, first + 5000)
    try:
        fault.begin(faulty)
        through = await at_once(endpoint.url, [search(at) for at in numbers])
    finally:
        faulty.well()
    again = await reranks_again(endpoint.url, first + 8000)
    found = [(one.answer, window) for one, window in zip(through, direct, strict=True) if not one.lost]
    found = [(answer, window) for answer, window in found if answer.status == 200]
    errors = SEARCHES - len(found)
    wrong = sum(not right(answer, window, fault.order) for answer, window in found)
    TABLE.found(name, words(fault), errors, wrong, f"{p99_ms(through):.0f}", "yes" if again else "no")
    assert (errors, wrong, again) == (0, 0, True)
    said = {told(answer) for answer, _ in found}
    assert said & fault.told, said
    # A breaker is opened by a fault.
    assert said <= fault.told | LATE | (set() if "reranked" in fault.told else {"breaker"})


def test_the_page_says_what_was_found(update: bool) -> None:
    TABLE.check(list(FAULTS), update=update)


def test_the_page_was_written_from_a_run_that_kept_its_deadlines() -> None:
    assert [took for took in TABLE.column(P99) if int(took) > 1000 * DEADLINE_S + GRACE_MS] == []
