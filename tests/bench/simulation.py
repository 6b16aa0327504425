"""Many endpoints and rerank servers on a virtual clock: `python -m tests.bench.simulation [--load 2]`.

The endpoints are clients of es_rerank.rerank_client: they read windows, shed load, choose servers, and limit the
requests in flight. Requests to servers are calls. A simulated server processes a fixed number of tokens per second, one
request at a time in the order of arrival, and reports its queue as vLLM does. It drops requests that time out.
Networks, engines and the processors of endpoints take no time. Searches arrive in a Poisson process, each at a random
endpoint, with a query of its own, so that no score is cached. The same seed gives the same numbers.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import count, product
from typing import Any

from structlog.testing import capture_logs

from es_rerank.config.settings import Settings
from es_rerank.model import Failed, Rule, Scored, ScoreRequest, Why
from es_rerank.rerank.backends import RerankCall
from es_rerank.rerank.prompt import approximate_tokens
from es_rerank.rerank_client.client import Reranker
from tests.bench.load import WORDS
from tests.bench.virtual_clock import run_virtually
from tests.docs import table

REPLICAS, SERVERS = (1, 4, 20, 100), (1, 5, 50)
# A slow server has this part of the rate of the others. One server in ten is slow or killed.
SLOW = 0.1
FAULTY_SHARE = 0.1
# The client stops a search that reaches its deadline at most this much later.
TOLERANCE = 0.011
KILLED = Failed(Why.UNREACHABLE, "the connection was refused")


class Fault(StrEnum):
    """What happens to a tenth of the servers: nothing; they are slow; they are killed halfway through."""

    NONE = "none"
    SLOW = "slow"
    KILLED = "killed"


@dataclass(frozen=True)
class Scenario:
    """What is simulated.

    `load` is a multiple of the throughput of all servers without faults, `rate` the tokens per second of a server,
    `tokens` the mean length of a passage. Times are in seconds. `seconds` are measured, after `warm_up`.
    """

    replicas: int = 1
    servers: int = 1
    fault: Fault = Fault.NONE
    load: float = 2.0
    rate: float = 50_000.0
    window: int = 50
    tokens: int = 256
    deadline: float = 3.0
    warm_up: float = 10.0
    seconds: float = 20.0
    seed: int = 1

    @property
    def faulty(self) -> int:
        return 0 if self.fault is Fault.NONE else max(1, round(self.servers * FAULTY_SHARE))

    @property
    def killed_at(self) -> float:
        return self.warm_up + self.seconds / 2

    @property
    def end(self) -> float:
        return self.warm_up + self.seconds

    @property
    def capacity(self) -> float:
        """The tokens that the servers can process in the measured time."""
        of_faulty = {Fault.NONE: 1.0, Fault.SLOW: SLOW, Fault.KILLED: 0.5}[self.fault]
        return self.rate * self.seconds * (self.servers - self.faulty * (1 - of_faulty))

    @property
    def searches_per_second(self) -> float:
        return self.load * self.servers * self.rate / (self.window * self.tokens)


@dataclass(frozen=True)
class Ended:
    """A search: when it ended, how long it took, and how many documents and tokens were scored. Times in seconds."""

    at: float
    seconds: float
    documents: int
    tokens: int


@dataclass(frozen=True)
class Result:
    """What was measured. `searches` are those that ended in the measured time, `longest` is for all."""

    scenario: Scenario
    searches: Sequence[Ended]
    longest: float
    processed: float

    @property
    def in_time(self) -> list[Ended]:
        return [one for one in self.searches if one.seconds <= self.scenario.deadline + TOLERANCE]

    @property
    def goodput(self) -> float:
        """The tokens of documents that were scored in time, as a share of the capacity."""
        return sum(one.tokens for one in self.in_time) / self.scenario.capacity

    @property
    def busy(self) -> float:
        """The tokens that the servers processed, also for requests that were dropped, as a share of the capacity."""
        return self.processed / self.scenario.capacity

    @property
    def reranked(self) -> float:
        """The share of searches of which at least two documents were scored in time."""
        return sum(one.documents > 1 for one in self.in_time) / len(self.searches)

    @property
    def late(self) -> int:
        return len(self.searches) - len(self.in_time)


class SimulatedServer:
    """A rerank server. `processed` is the number of tokens that it has processed in the measured time."""

    def __init__(self, rate: float, scenario: Scenario) -> None:
        self.rate = rate
        self.processed = 0.0
        self._measured = scenario.warm_up, scenario.end
        self._busy = asyncio.Lock()
        self._killed = False
        self._timeouts: list[asyncio.Timeout] = []

    async def ask(self, call: RerankCall, deadline: float) -> list[float] | Failed:
        """Score the texts of a call. It takes the place of `RerankTransport.ask`."""
        if self._killed:
            return KILLED
        timeout = asyncio.timeout_at(deadline)
        self._timeouts.append(timeout)
        try:
            async with timeout, self._busy:
                await self._process(sum(approximate_tokens(len(text)) for text in call.texts))
        except TimeoutError:
            return KILLED if self._killed else Failed(Why.DEADLINE)
        finally:
            self._timeouts.remove(timeout)
        return [0.0] * len(call.texts)

    async def metrics(self) -> bytes:
        """Return the queue as vLLM reports it. It takes the place of `RerankTransport.metrics`."""
        running = min(1, len(self._timeouts))
        rows = f"vllm:num_requests_running {running}\nvllm:num_requests_waiting {len(self._timeouts) - running}\n"
        return b"" if self._killed else rows.encode()

    def kill(self) -> None:
        """Refuse requests from now on, and end those in flight."""
        self._killed = True
        for timeout in self._timeouts:
            timeout.reschedule(asyncio.get_running_loop().time())

    async def _process(self, tokens: int) -> None:
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            await asyncio.sleep(tokens / self.rate)
        finally:
            first, last = self._measured
            self.processed += max(0.0, min(clock(), last) - max(started, first)) * self.rate


class Simulation:
    """The endpoints' clients and the servers of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.ended: list[Ended] = []
        self._random = random.Random(scenario.seed)
        self._documents = [self._document() for _ in range(200)]
        slow = scenario.faulty if scenario.fault is Fault.SLOW else 0
        rates = [scenario.rate * (SLOW if number < slow else 1) for number in range(scenario.servers)]
        self._servers = [SimulatedServer(rate, scenario) for rate in rates]
        self._replicas = [self._replica() for _ in range(scenario.replicas)]
        self._rule = Rule("simulation", window=scenario.window, deadline=scenario.deadline)
        self._numbers = count()

    async def run(self) -> Result:
        scenario = self.scenario
        background = [asyncio.create_task(replica.recover()) for replica in self._replicas]
        if scenario.fault is Fault.KILLED:
            background.append(asyncio.create_task(self._kill()))
        async with asyncio.TaskGroup() as group:
            while (now := asyncio.get_running_loop().time()) < scenario.end:
                group.create_task(self._search(self._random.choice(self._replicas), now))
                await asyncio.sleep(self._random.expovariate(scenario.searches_per_second))
        for task in background:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        measured = [one for one in self.ended if scenario.warm_up <= one.at < scenario.end]
        processed = sum(server.processed for server in self._servers)
        return Result(scenario, measured, max(one.seconds for one in self.ended), processed)

    async def _search(self, replica: Reranker, started: float) -> None:
        texts = self._random.sample(self._documents, self.scenario.window)
        deadline = started + self.scenario.deadline
        answer = await replica.score(ScoreRequest(f"query {next(self._numbers)}", texts, self._rule, deadline))
        now = asyncio.get_running_loop().time()
        documents = (answer.window or 0) if isinstance(answer, Scored) else 0
        tokens = sum(approximate_tokens(len(text)) for text in texts[:documents])
        self.ended.append(Ended(now, now - started, documents, tokens))

    async def _kill(self) -> None:
        await asyncio.sleep(self.scenario.killed_at)
        for server in self._servers[: self.scenario.faulty]:
            server.kill()

    def _document(self) -> str:
        """Return a text of half to one and a half times the mean length."""
        words = self._random.choices(WORDS, k=2 * self.scenario.tokens)
        tokens = self._random.uniform(0.5, 1.5) * self.scenario.tokens
        return " ".join(words)[: int(tokens * 3.5)]

    def _replica(self) -> Reranker:
        """Return the client of an endpoint, whose requests are calls of the servers."""
        numbers = list(range(self.scenario.servers))
        urls = [f"http://server-{number}:8000" for number in numbers]
        values: dict[str, Any] = {"tokenizer": "estimate", "self_test": False, "score_cache_size": 0}
        replica = Reranker(Settings.model_validate({"reranker": urls, **values}))
        for client, number in zip(replica._pool.servers, numbers, strict=True):
            client._transport.ask = self._servers[number].ask  # type: ignore[method-assign]
            client._transport.metrics = self._servers[number].metrics  # type: ignore[method-assign]
        return replica


def simulated(scenario: Scenario) -> Result:
    """Run a simulation."""

    async def run() -> Result:
        return await Simulation(scenario).run()

    # es-rerank chooses among idle servers at random.
    random.seed(scenario.seed)
    with capture_logs():
        return run_virtually(run)


HEAD = (
    *("endpoints", "servers", "goodput", "servers busy", "searches reranked"),
    *("goodput, some servers slow", "goodput, some servers killed", "searches", "late"),
)


def scenarios(options: argparse.Namespace) -> list[Scenario]:
    """Return the scenarios of the table. A single server has no faults."""
    common = {"load": options.load, "seconds": options.seconds, "seed": options.seed}
    return [
        Scenario(replicas, servers, fault, **common)
        for replicas, servers in product(options.replicas, options.servers)
        for fault in (Fault if servers > 1 else (Fault.NONE,))
    ]


def rows(results: Sequence[Result]) -> Iterator[Sequence[str]]:
    """Yield the rows of the table, one for each number of endpoints and servers."""
    sizes: dict[tuple[int, int], dict[Fault, Result]] = {}
    for result in results:
        size = result.scenario.replicas, result.scenario.servers
        sizes.setdefault(size, {})[result.scenario.fault] = result
    for (replicas, servers), found in sizes.items():
        good = found[Fault.NONE]
        faulty = [f"{found[fault].goodput:.2f}" if fault in found else "" for fault in (Fault.SLOW, Fault.KILLED)]
        searches, late = sum(len(one.searches) for one in found.values()), sum(one.late for one in found.values())
        cells = f"{good.goodput:.2f}", f"{good.busy:.2f}", f"{good.reranked:.2f}", *faulty, f"{searches:,}", f"{late}"
        yield f"{replicas}", f"{servers}", *cells


def arguments(values: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.simulation", description=__doc__.partition(":")[0])
    parser.add_argument("--replicas", type=int, nargs="+", default=REPLICAS, help="numbers of endpoints")
    parser.add_argument("--servers", type=int, nargs="+", default=SERVERS, help="numbers of rerank servers")
    parser.add_argument("--load", type=float, default=Scenario.load, help="load, as a multiple of the throughput")
    parser.add_argument("--seconds", type=float, default=Scenario.seconds, help="measured time, in virtual seconds")
    parser.add_argument("--seed", type=int, default=Scenario.seed, help="seed of the random numbers")
    return parser.parse_args(values)


def main() -> None:
    with ProcessPoolExecutor() as processes:
        results = list(processes.map(simulated, scenarios(arguments())))
    sys.stdout.write(table(HEAD, rows(results)) + "\n")


if __name__ == "__main__":
    main()
