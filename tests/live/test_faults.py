"""200 concurrent searches get correct pages during each fault of the model; writes a table of docs/faults.md."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from es_rerank_lab.parts.engines import Engine

from .conftest import Serve
from .endpoint import Endpoint
from .faulty import FAULTS, LIMIT_S, RECOVERY_S, Fault, Faulty
from .load import Connection, at_once, p99_ms
from .page import DOCS, Table
from .storm import WINDOW, filled, outcome_of, right, search, windows

SEARCHES = 200
# On a machine that stalls for the whole deadline, all outcomes are `deadline`: then the next burst is used.
BURSTS = 3
DEADLINE_S, GRACE_MS = 2, 50
# Outcomes that any row may have: a small machine may be too slow for this many concurrent searches.
LATE = frozenset({"deadline", "overloaded"})
# Bursts before the measured one, since engines and endpoints are slow at first.
WARM = 5
P99, AGAIN = "p99 (ms)", "reranked again after (s)"
TABLE = Table(
    DOCS / "faults.md",
    "# When the model fails",
    f"""
If a rerank server fails, clients still get the page that they requested. This page lists the faults that are tested.
Each row of the first table is a fault of the rerank server. During the fault, {SEARCHES} concurrent searches with a
deadline of {DEADLINE_S} s go through es-rerank to a real OpenSearch. For each fault, the test checks that:

- Every response has status 200. Its page is in the engine's order or, if es-rerank received scores in spite of the
  fault, in the model's order.
- `X-Rerank` has the outcome in the row ([reasons](reference.md#reasons)). These other reasons are also allowed:
  `breaker`, because a fault opens the circuit breaker, and `overloaded` or `deadline`, because a small machine may be
  too slow for this many concurrent searches.
- 99 % of the responses arrive within the deadline plus {GRACE_MS} ms.
- es-rerank reranks searches again at most {RECOVERY_S} s after the rerank server has recovered.

The last two columns were measured when this page was generated: the 99th percentile of the response times, and the time
from the server's recovery until a search is reranked. The client, es-rerank, the engine and the rerank server shared
two cores. To regenerate the table, run `.venv/bin/pytest tests/live/test_faults.py --update-cases`.
""",
    ("fault", "`X-Rerank`", "errors", "wrong pages", P99, AGAIN),
    measured=frozenset({P99, AGAIN}),
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
    """An endpoint that has been warmed up."""
    flags = ("--reranker", faulty.url, "--profile", "bge-reranker", "--tokenizer", "estimate", "--no-self-test")
    found = serve(
        engine.url,
        *flags,
        "--window",
        f"{WINDOW}",
        "--deadline",
        f"{DEADLINE_S}s",
        "--reranker-queue-size",
        f"{5 * SEARCHES}",
    )
    for first in range(0, WARM * SEARCHES, SEARCHES):
        await at_once(found.url, [search(first + at) for at in range(SEARCHES)])
    return found


async def reranks_again(url: str, first: int) -> float:
    """Search until a search is reranked; return the time in seconds."""
    began = time.monotonic()
    async with Connection(url) as connection:
        while (took := time.monotonic() - began) < LIMIT_S:
            first += 1
            if outcome_of((await connection.ask(search(first))).answer) == "reranked":
                return took
            await asyncio.sleep(0.1)
    raise AssertionError(f"no search was reranked within {LIMIT_S} s")


def words(fault: Fault) -> str:
    return "reranked" if "reranked" in fault.outcomes else f"failed; why={', '.join(sorted(fault.outcomes))}"


@dataclass(frozen=True)
class Burst:
    """The result of many concurrent searches: outcomes, errors, wrong pages, and response time."""

    outcomes: set[str]
    errors: int
    wrong: int
    p99_ms: float
    again_s: float


async def burst(fault: Fault, first: int, urls: tuple[str, str], faulty: Faulty) -> Burst:
    """Search while the server has a fault, then until it is used again; *urls* are those of engine and endpoint."""
    engine, endpoint = urls
    numbers = range(first, first + SEARCHES)
    direct = windows(engine, numbers)
    await reranks_again(endpoint, first + 5000)
    try:
        fault.begin(faulty)
        through = await at_once(endpoint, [search(at) for at in numbers])
    finally:
        faulty.well()
    again = await reranks_again(endpoint, first + 8000)
    found = [(one.answer, window) for one, window in zip(through, direct, strict=True) if not one.lost]
    found = [(answer, window) for answer, window in found if answer.status == 200]
    wrong = sum(not right(answer, window, fault.order) for answer, window in found)
    return Burst({outcome_of(answer) for answer, _ in found}, SEARCHES - len(found), wrong, p99_ms(through), again)


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_of_the_model_costs_no_client_its_page(
    name: str, engine: Engine, endpoint: Endpoint, faulty: Faulty
) -> None:
    fault, urls = FAULTS[name], (engine.url, endpoint.url)
    first = 10_000 * (1 + list(FAULTS).index(name))
    # A fault opens the circuit breaker.
    allowed = fault.outcomes | LATE | (set() if "reranked" in fault.outcomes else {"breaker"})
    for at in range(BURSTS):
        one = await burst(fault, first + 300 * at, urls, faulty)
        TABLE.found(name, words(fault), one.errors, one.wrong, f"{one.p99_ms:.0f}", f"{one.again_s:.1f}")
        assert (one.errors, one.wrong) == (0, 0)
        assert one.outcomes <= allowed
        if one.outcomes & fault.outcomes:
            return
    raise AssertionError(f"no search had the outcome {words(fault)}")


def test_the_page_has_the_results_of_the_run(update: bool) -> None:
    TABLE.check(list(FAULTS), update=update)


def test_the_page_is_of_a_run_that_kept_its_deadlines() -> None:
    assert [took for took in TABLE.column(P99) if int(took) > 1000 * DEADLINE_S + GRACE_MS] == []


def test_the_page_is_of_a_run_that_recovered_in_time() -> None:
    assert [took for took in TABLE.column(AGAIN) if float(took) > RECOVERY_S] == []
