"""What clients see when the model, the engine, a worker or a client dies; writes the second table of docs/faults.md."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from es_rerank.testing import until
from es_rerank_lab.parts.engines import Engine, start_engine
from es_rerank_lab.parts.vllm import ModelServer
from tests.cli.test_workers import listening_children

from .conftest import Serve
from .endpoint import WELL, Endpoint
from .faulty import LIMIT_S, RECOVERY_S, Faulty
from .load import EngineRequest, Stream
from .models import Models
from .page import DOCS, Table
from .storm import INDEX, WINDOW, Order, by_number, filled, outcome_of, query, right, search, windows
from .wire import Answer, ask

AT_ONCE = 10
KILL_AFTER = 50
BACK_LIMIT_S = 60
PAUSE_S = 0.1
MEASURED = ("answered 200", "answered 502 or 503", "connection lost", "back after (s)", "reranked again after (s)")
TABLE = Table(
    DOCS / "faults.md",
    "## When a process is killed",
    f"""
Each row of this table is a process that is killed with `kill -9` and then started again. During that time, clients
send searches over {AT_ONCE} connections. The test checks what clients see, and that no page is wrong. `recovered` is
`yes` if, from the first reranked search after the restart, every search has status 200. The other columns were measured
when this page was generated:

- The numbers of responses and of lost connections cover the whole run.
- `back after (s)` is the time from the kill until the process responds again.
- `reranked again after (s)` is the time from that response until a search is reranked. This time is at most
  {RECOVERY_S} s on this page. The test accepts up to {LIMIT_S} s, for slow machines.

To regenerate the table, run `.venv/bin/pytest tests/live/test_failure.py --update-cases`.
""",
    ("process", "what clients see", "wrong pages", "recovered", *MEASURED),
    measured=frozenset(MEASURED),
)
VLLM = ("a real vLLM", "the engine's order")
ENGINE = (
    "the engine",
    "a 502 of es-rerank in the engine's format, or a 503 of the engine while it opens its indices",
)
WORKER = (
    "one of two workers",
    "broken connections: those of the killed worker, and new connections to it while it dies",
)


@dataclass
class Cost:
    """The requests, and the times (monotonic seconds) of the kill, the restart and the first reranked search."""

    sent: Sequence[EngineRequest]
    killed: float
    back: float
    well: float

    def wrong(self, engine: str, order: Order | None) -> int:
        """Count the pages that do not match the engine's current window."""
        good = [(one.number, one.taken.answer) for one in self.sent if not one.taken.lost]
        good = [(number, answer) for number, answer in good if answer.status == 200]
        found = windows(engine, [number for number, _ in good])
        return sum(not right(answer, window, order) for (_, answer), window in zip(good, found, strict=True))

    @property
    def lost(self) -> int:
        return sum(one.taken.lost for one in self.sent)

    @property
    def errors(self) -> list[Answer]:
        answers = [one.taken.answer for one in self.sent if not one.taken.lost]
        return [answer for answer in answers if answer.status != 200]

    def since(self, moment: float) -> list[EngineRequest]:
        return [one for one in self.sent if one.sent >= moment]

    def note(self, row: tuple[str, str], wrong: int) -> None:
        """Add the row; all requests after the first reranked search must have been answered."""
        after = self.since(self.well)
        well = bool(after) and all(not one.taken.lost and one.taken.answer.status == 200 for one in after)
        good = len(self.sent) - self.lost - len(self.errors)
        back, again = self.back - self.killed, self.well - self.back
        numbers = (good, len(self.errors), self.lost, f"{back:.1f}", f"{again:.1f}")
        TABLE.found(*row, wrong, "yes" if well else "no", *numbers)
        assert (wrong, well) == (0, True)


async def under_load(
    endpoint: Endpoint, kill: Callable[[], object], back: Callable[[], Awaitable[object]], pause: float, first: int
) -> Cost:
    """Search on several connections, kill a process, wait for its restart, and continue for a while."""
    stream = Stream(endpoint.url, search, first, pause)
    running = asyncio.create_task(stream.run(AT_ONCE))
    try:
        await until(lambda: len(stream.sent) >= KILL_AFTER, BACK_LIMIT_S)
        killed = time.monotonic()
        await asyncio.to_thread(kill)
        await back()
        returned = time.monotonic()
        await until(lambda: reranked_since(stream.sent, returned), LIMIT_S)
        well = time.monotonic()
        await asyncio.sleep(0.5)
    finally:
        stream.stop()
        await running
    return Cost(sorted(stream.sent, key=lambda one: one.sent), killed, returned, well)


def reranked_since(sent: Sequence[EngineRequest], moment: float) -> bool:
    """Return whether one of the last searches was sent after a time, and reranked."""
    return any(
        one.sent >= moment and not one.taken.lost and outcome_of(one.taken.answer) == "reranked" for one in sent[-50:]
    )


@pytest.fixture
def storm(opensearch: Engine) -> Engine:
    """OpenSearch with the documents about storms."""
    filled(opensearch.url)
    return opensearch


@pytest.fixture
def endpoint(storm: Engine, serve: Serve, models: Models, minilm: ModelServer) -> Endpoint:
    """An endpoint with a real model and a window of ten hits."""
    found = serve(storm.url, *models.flags("minilm"), "--window", f"{WINDOW}")
    found.await_health("ok")
    return found


def plain(serve: Serve, engine: Engine, faulty: Faulty, *flags: str) -> Endpoint:
    """An endpoint with a model that sorts by number."""
    model = ("--reranker", faulty.url, "--profile", "bge-reranker", "--tokenizer", "estimate", "--no-self-test")
    return serve(engine.url, *model, "--window", f"{WINDOW}", *flags)


async def test_a_killed_engine_is_an_error_in_its_format_until_it_is_back(serve: Serve) -> None:
    with Faulty() as faulty, start_engine("elasticsearch") as engine:
        endpoint = plain(serve, engine, faulty)
        filled(engine.url)

        async def back() -> None:
            answer = await asyncio.to_thread(endpoint.ask, "GET", "/_cluster/health")
            assert (answer.status, answer.header("Content-Type")) == (502, "application/json")
            await asyncio.to_thread(engine.again)
            await until(lambda: ask(engine.url, "POST", f"/{INDEX}/_search", query(0)).status == 200, BACK_LIMIT_S)

        cost = await under_load(endpoint, engine.process.kill, back, PAUSE_S, 200_000)
        cost.note(ENGINE, cost.wrong(engine.url, by_number))
    assert cost.lost == 0
    assert {answer.status for answer in cost.errors} <= {502, 503}
    for answer in cost.errors:
        assert answer.json["status"] == answer.status
        assert answer.json["error"]["root_cause"] is not None
        if answer.status == 502:
            assert answer.json["error"]["type"] == "upstream_unreachable_exception"
            assert answer.json["error"]["root_cause"][0]["reason"] == answer.json["error"]["reason"]
            assert answer.header("Content-Type") == "application/json"
    assert 502 in {answer.status for answer in cost.errors}


async def test_a_killed_worker_costs_at_most_its_requests_in_flight(storm: Engine, serve: Serve) -> None:
    with Faulty() as faulty:
        endpoint = plain(serve, storm, faulty, "--workers", "2")
        team = endpoint.process.pid
        await until(lambda: len(listening_children(team)) == 2, BACK_LIMIT_S)
        there: dict[int, int] = {}

        def kill() -> None:
            for pid in listening_children(team):
                there[pid] = connections(pid, endpoint.url)
            os.kill(max(there, key=lambda pid: there[pid]), signal.SIGKILL)

        async def back() -> None:
            victim = max(there, key=lambda pid: there[pid])
            await until(lambda: len(listening_children(team) - {victim}) == 2, BACK_LIMIT_S)

        cost = await under_load(endpoint, kill, back, 0.0, 300_000)
        cost.note(WORKER, cost.wrong(storm.url, by_number))
    assert cost.errors == []
    # An immediate retry may reach the socket of the dying process before the kernel has closed it.
    assert cost.lost <= 2 * max(there.values())
    assert len(listening_children(team)) == 2


def connections(pid: int, url: str) -> int:
    """Return the number of client connections of a worker."""
    port = urlsplit(url).port
    found = psutil.Process(pid).net_connections("tcp")
    return sum(one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port for one in found)


async def test_a_killed_model_costs_no_search_and_a_restarted_one_is_used_within_five_seconds(
    storm: Engine, endpoint: Endpoint, models: Models, tmp_path: Path, serve: Serve
) -> None:
    (tmp_path / "strict.yaml").write_text(f"index: {INDEX}\nstrict: true\n")
    started = math.inf

    def check_and_restart() -> None:
        nonlocal started
        endpoint.await_health("degraded")
        strict = serve(storm.url, *models.flags("minilm"), "--mappings", str(tmp_path)).search(INDEX, query(0))
        assert (strict.status, strict.json["error"]["type"]) == (500, "rerank_exception")
        started = time.monotonic()
        models.running("minilm")

    cost = await under_load(endpoint, models.kill, lambda: asyncio.to_thread(check_and_restart), PAUSE_S, 400_000)
    cost.note(VLLM, cost.wrong(storm.url, None))
    assert (cost.lost, cost.errors) == (0, [])
    assert {outcome_of(one.taken.answer) for one in cost.sent if one.sent < cost.killed} >= {"reranked"}
    away = [one for one in cost.since(cost.killed) if one.sent < started]
    assert {outcome_of(one.taken.answer) for one in away[AT_ONCE:]} <= {
        "unreachable",
        "breaker",
        "self_test",
        "bad_answer",
    }
    assert len(away) > AT_ONCE
    assert endpoint.await_health("ok") == WELL


def test_the_page_has_the_results_of_the_run(minilm: ModelServer, update: bool) -> None:
    TABLE.check([VLLM[0], ENGINE[0], WORKER[0]], update=update)


# With the model as a fixture, since tests without one run first, before the page has been written.
@pytest.mark.usefixtures("minilm")
def test_the_page_is_of_a_run_that_recovered_in_time() -> None:
    assert [took for took in TABLE.column(MEASURED[-1]) if float(took) > RECOVERY_S] == []


def test_clients_that_disconnect_do_not_delay_others(endpoint: Endpoint) -> None:
    host, _, port = urlsplit(endpoint.url).netloc.partition(":")
    body = b'{"query":{"match":{"body":"wind and rain for those who stay"}},"size":10}'
    head = f"POST /{INDEX}/_search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    for pause in [0.0, 0.002, 0.02, 0.05] * 10:
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(head.encode() + b"\r\n\r\n" + body)
            time.sleep(pause)
    for cut in (20, len(head), len(head) + 10):
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall((head.encode() + b"\r\n\r\n" + body)[:cut])
    answer = endpoint.ask("POST", f"/{INDEX}/_search", body, {"Content-Type": "application/json"})
    assert answer.outcome.startswith("reranked; window=10; ")
    assert endpoint.search(INDEX, query(1000)).outcome.startswith("reranked; window=10; ")
    assert endpoint.health == WELL
