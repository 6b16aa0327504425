from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank.model import Failed, Why
from es_rerank.rerank.backends import BACKENDS, RerankCall
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder
from es_rerank.rerank_client import pool as pool_module
from es_rerank.rerank_client import server as server_module
from es_rerank.rerank_client.pool import QueueEstimate, ServerPool
from es_rerank.rerank_client.queued import QueuedRequest
from es_rerank.rerank_client.server import RerankServer
from es_rerank.rerank_client.server_choice import NO_SERVERS
from es_rerank.rerank_client.server_health import HealthState
from es_rerank.testing import fake_settings

OOPS = Failed(Why.RERANKER_ERROR, "HTTP 500: oops")
LATE = Failed(Why.DEADLINE)
TOO_LONG = Failed(Why.TOO_LONG, "input length is too long")
SCORES = [0.5]

Answer = list[float] | Failed


@dataclass
class Sent:
    """A request that reached a server and waits for its answer."""

    query: str
    deadline: float
    answer: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Bench:
    """A pool of servers without a network and its clock; every request waits until it is answered by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, servers: int = 1, **settings: Any) -> None:
        self.now = 100.0
        prompts = PromptBuilder(BACKENDS["vllm"], PROFILES["bge-reranker"], "some/model", 10_000)
        chosen = fake_settings(**settings)
        self.servers = [RerankServer(chosen, f"http://{number}", prompts, lambda *_: None) for number in range(servers)]
        self.pool = ServerPool(self.servers)
        self.open: list[list[Sent]] = [[] for _ in self.servers]
        self.log: list[list[str]] = [[] for _ in self.servers]
        for number, server in enumerate(self.servers):
            monkeypatch.setattr(server._transport, "ask", self._serve(number))
        monkeypatch.setattr(pool_module, "time", self)
        monkeypatch.setattr(server_module, "time", self)

    def monotonic(self) -> float:
        return self.now

    def _serve(self, number: int) -> Callable[[RerankCall, float], Any]:
        async def ask(call: RerankCall, deadline: float) -> Answer:
            sent = Sent(call.query, deadline)
            self.log[number].append(call.query)
            self.open[number].append(sent)
            try:
                return await sent.answer
            finally:
                self.open[number].remove(sent)

        return ask

    async def send(
        self, *queries: str, tokens: int = 10, seconds: float = 60.0, patience: float = 0.0
    ) -> list[asyncio.Task[Answer]]:
        """Send one request for each query, with a deadline *seconds* from now."""
        deadline = self.now + seconds
        calls = [RerankCall(query, ["a text"], "some/model") for query in queries]
        tasks = [asyncio.create_task(self.pool.ask(call, tokens, deadline, patience)) for call in calls]
        await turn()
        return tasks

    async def answer(self, server: int, *answers: Answer) -> None:
        """Answer the requests that a server has had longest."""
        for answer in answers:
            self.open[server][0].answer.set_result(answer)
            await turn()

    async def answer_all(self) -> None:
        """Answer everything, until nothing is left."""
        while any(self.open):
            for number in range(len(self.servers)):
                await self.answer(number, *[SCORES] * len(self.open[number]))

    async def measure(self, server: int = 0, tokens: int = 100, seconds: float = 1.0) -> None:
        """Score *tokens* in *seconds* on a server, so that its throughput is known."""
        load = self.servers[server].throughput
        load.started(self.now, tokens)
        self.now += seconds
        load.ended(self.now, tokens, self.now - seconds, answered=True)

    def fail(self, server: int, times: int = 1) -> None:
        for _ in range(times):
            self.servers[server].health.failed(OOPS, self.now)

    def loads(self) -> list[tuple[int, int]]:
        return [(server.throughput.requests, server.throughput.tokens) for server in self.servers]


async def turn() -> None:
    """Run all ready tasks, and the tasks that they schedule."""
    for _ in range(8):
        await asyncio.sleep(0)


def answers(tasks: Sequence[asyncio.Task[Answer]]) -> list[Any]:
    """Return what tasks have ended with; None for one that has not ended."""
    return [task.result() if task.done() else None for task in tasks]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, first_of_equal_servers: None) -> Any:
    """Make a bench; in the end no slot may be held."""
    made: list[Bench] = []

    def bench(servers: int = 1, **settings: Any) -> Bench:
        made.append(Bench(monkeypatch, servers, **settings))
        return made[-1]

    with capture_logs():
        yield bench
    assert [load for bench in made for load in bench.loads()] == [(0, 0) for bench in made for _ in bench.servers]


async def test_the_server_with_the_least_to_do_is_used(make: Any) -> None:
    bench = make(2, reranker_max_requests=2)
    tasks = await bench.send("a", "b", "c", "d")
    assert bench.log == [["a", "c"], ["b", "d"]]
    await bench.answer_all()
    assert answers(tasks) == [SCORES] * 4


async def test_if_a_server_fails_another_one_is_used_and_after_three_faults_it_is_left_alone(make: Any) -> None:
    bench = make(2)
    for query in "abcdef":
        tasks = await bench.send(query)
        if bench.open[0]:
            await bench.answer(0, OOPS)
        await bench.answer(1, SCORES)
        assert answers(tasks) == [SCORES]
    assert (bench.log, bench.servers[0].health.state) == ([["a", "b", "c"], list("abcdef")], HealthState.OPEN)


async def test_if_all_servers_fail_the_last_fault_is_returned(make: Any) -> None:
    bench = make(2)
    tasks = await bench.send("q")
    await bench.answer(0, LATE)
    await bench.answer(1, OOPS)
    assert (answers(tasks), bench.log) == ([OOPS], [["q"], ["q"]])


async def test_the_only_server_which_may_have_several_replicas_is_asked_twice_after_a_status_5xx(make: Any) -> None:
    bench = make(1)
    (first,) = await bench.send("first")
    await bench.answer(0, OOPS, SCORES)
    (second,) = await bench.send("second")
    await bench.answer(0, OOPS, OOPS)
    assert (answers([first, second]), bench.log) == ([SCORES, OOPS], [["first", "first", "second", "second"]])


async def test_a_repeated_request_does_not_wait_for_an_open_circuit_breaker(make: Any) -> None:
    bench = make(1)
    bench.fail(0, 2)
    tasks = await bench.send("q")
    await bench.answer(0, OOPS)
    assert (answers(tasks), bench.log) == ([OOPS], [["q"]])


async def test_a_text_that_is_too_long_is_not_sent_to_another_server(make: Any) -> None:
    bench = make(2)
    tasks = await bench.send("q")
    await bench.answer(0, TOO_LONG)
    assert (answers(tasks), bench.log) == ([TOO_LONG], [["q"], []])


async def test_a_server_that_failed_gets_a_quarter_of_the_remaining_time(make: Any) -> None:
    bench = make(2)
    bench.fail(0)
    tasks = await bench.send("q", seconds=8.0, patience=4.0)
    assert bench.open[0][0].deadline == bench.now + 2.0
    bench.now += 2.0
    await bench.answer(0, LATE)
    assert (bench.servers[0].health._faults, bench.servers[0].throughput.busy_seconds) == (2, 2.0)
    assert bench.open[1][0].deadline == bench.now + 6.0
    await bench.answer(1, SCORES)
    assert answers(tasks) == [SCORES]


async def test_the_only_server_gets_all_the_time_although_it_failed(make: Any) -> None:
    bench = make(1)
    bench.fail(0)
    await bench.send("q", seconds=8.0)
    assert bench.open[0][0].deadline == bench.now + 8.0
    await bench.answer_all()


async def test_the_nearest_deadline_comes_first(make: Any) -> None:
    bench = make(1, reranker_max_requests=1)
    for query, seconds in [("x", 5), ("c", 9), ("a", 7), ("b", 8)]:
        await bench.send(query, seconds=seconds)
    await bench.answer_all()
    assert bench.log == [["x", "a", "b", "c"]]


async def test_equal_deadlines_are_served_in_the_order_of_arrival(make: Any) -> None:
    bench = make(1, reranker_max_requests=1)
    await bench.send(*"xabc")
    await bench.answer_all()
    assert bench.log == [list("xabc")]


async def test_a_server_has_at_most_the_tokens_of_its_limit(make: Any) -> None:
    bench = make(1, reranker_max_tokens=512)
    tasks = await bench.send("a", "b", "c", tokens=256)
    assert bench.log == [["a", "b"]]
    await bench.answer_all()
    assert answers(tasks) == [SCORES] * 3


async def test_a_request_that_waits_until_its_deadline_fails(make: Any) -> None:
    bench = make(1, reranker_max_requests=1)
    first = await bench.send("first")
    (second,) = await bench.send("second", seconds=0.02)
    assert await second == LATE
    await bench.answer_all()
    assert (answers(first), bench.log) == ([SCORES], [["first"]])


async def test_a_request_whose_deadline_has_passed_is_not_sent(make: Any) -> None:
    bench = make(1)
    tasks = [*await bench.send("q", seconds=0.0), *await bench.send("q", seconds=-1.0)]
    assert (answers(tasks), bench.log) == ([LATE] * 2, [[]])


@pytest.mark.parametrize(("seconds", "is_sent"), [(2.0, True), (1.9, False)])
async def test_what_would_be_late_is_not_sent(make: Any, seconds: float, is_sent: bool) -> None:
    bench = make(1, reranker_max_requests=2)
    await bench.measure(tokens=100, seconds=1.0)
    await bench.send("first", tokens=100)
    tasks = await bench.send("second", tokens=100, seconds=seconds)
    assert bench.log == [["first", "second"] if is_sent else ["first"]]
    assert answers(tasks) == [None if is_sent else LATE]
    await bench.answer_all()


async def test_a_server_that_was_idle_for_a_while_is_tried_whatever_is_expected_of_it(make: Any) -> None:
    bench = make(1)
    await bench.measure(tokens=100, seconds=1.0)
    tasks = await bench.send("huge", tokens=1_000_000, seconds=1.0)
    assert (answers(tasks), bench.log) == ([LATE], [[]])
    bench.now += 2.0
    await bench.send("huge", tokens=1_000_000, seconds=1.0)
    assert bench.log == [["huge"]]
    await bench.answer_all()


async def test_queued_requests_that_would_be_late_are_dropped_to_make_room(make: Any) -> None:
    bench = make(1, reranker_max_requests=1)
    await bench.measure(tokens=100, seconds=1.0)
    first = await bench.send("first", tokens=100)
    assert not bench.pool.drop_late()
    huge = await bench.send("huge", tokens=1000, seconds=10.9)
    small = await bench.send("small", tokens=10, seconds=30.0)
    assert bench.pool.drop_late()
    assert not bench.pool.drop_late()
    await bench.answer_all()
    assert answers([*first, *huge, *small]) == [SCORES, LATE, SCORES]
    assert bench.log == [["first", "small"]]


@pytest.mark.parametrize(("seconds", "dropped"), [(3.0, False), (2.9, True)])
async def test_a_queued_request_is_late_behind_those_before_it(make: Any, seconds: float, dropped: bool) -> None:
    bench = make(1, reranker_max_requests=1)
    await bench.measure(tokens=100, seconds=1.0)
    await bench.send("first", tokens=100)
    await bench.send("second", tokens=100, seconds=2.5)
    third = await bench.send("third", tokens=100, seconds=seconds)
    assert bench.pool.drop_late() is dropped
    await turn()
    assert answers(third) == [LATE if dropped else None]
    await bench.answer_all()


async def test_without_a_known_rate_no_request_is_dropped(make: Any) -> None:
    bench = make(1, reranker_max_requests=1)
    await bench.send("first", "second", tokens=1_000_000, seconds=1.0)
    assert not bench.pool.drop_late()
    await bench.answer_all()


async def test_the_wait_is_estimated_from_what_is_queued_and_in_flight(make: Any) -> None:
    bench = make(1, reranker_max_requests=1)
    assert bench.pool.queue_estimate() == QueueEstimate(0.0, float("inf"))
    await bench.measure(tokens=200, seconds=2.0)
    assert bench.pool.queue_estimate().wait == 0.0, "an idle server is expected to be ready"
    await bench.send("a", "b", "c", tokens=100)
    estimate = bench.pool.queue_estimate()
    assert estimate == QueueEstimate(3.0, 100.0)
    assert [estimate.capacity(seconds) for seconds in (2.0, 3.0, 4.5)] == [0.0, 0.0, 150.0]
    assert QueueEstimate(0.0, float("inf")).capacity(0.0) == float("inf")
    await bench.answer_all()


async def test_the_estimate_adds_up_all_usable_servers(make: Any) -> None:
    bench = make(3, reranker_max_requests=1)
    await bench.measure(0, tokens=100, seconds=1.0)
    await bench.measure(1, tokens=300, seconds=1.0)
    bench.fail(2, times=3)
    await bench.send("a", tokens=100)
    assert bench.pool.queue_estimate() == QueueEstimate(0.0, float("inf")), "one is idle"
    await bench.send("b", "c", tokens=100)
    assert bench.pool.queue_estimate() == QueueEstimate(0.75, 400.0)
    bench.servers[1].throughput.reset()
    assert bench.pool.queue_estimate() == QueueEstimate(0.0, float("inf")), "the rate of one is unknown"
    await bench.answer_all()


async def test_without_a_usable_server_nothing_is_estimated(make: Any) -> None:
    bench = make(1)
    bench.fail(0, times=3)
    assert bench.pool.queue_estimate() == QueueEstimate(0.0, float("inf"))


async def test_a_canceled_request_holds_nothing_up(make: Any) -> None:
    bench = make(1, reranker_max_requests=1)
    tasks = await bench.send(*"abcd")
    tasks[1].cancel()
    tasks[0].cancel()
    await turn()
    await bench.answer_all()
    assert bench.log == [["a", "c", "d"]]
    assert answers(tasks[2:]) == [SCORES] * 2


async def test_a_request_that_is_canceled_just_when_it_gets_a_server_releases_the_slot(make: Any) -> None:
    bench = make(1, reranker_max_requests=1)
    (server,) = bench.servers
    server.reserve(bench.now, 10)
    (canceled,) = await bench.send("canceled")
    server.throughput.dropped(10)
    bench.pool._dispatch()
    canceled.cancel()
    await turn()
    await bench.send("next")
    await bench.answer_all()
    assert bench.log == [["next"]]


async def test_a_slot_that_a_canceled_request_just_got_goes_to_the_next_one(make: Any) -> None:
    bench = make(1, reranker_max_requests=1)
    (server,) = bench.servers
    server.reserve(bench.now, 10)
    canceled, waiting = await bench.send("canceled", "waiting")
    server.throughput.dropped(10)
    bench.pool._dispatch()
    canceled.cancel()
    await turn()
    assert bench.log == [["waiting"]]
    await bench.answer_all()
    assert answers([waiting]) == [SCORES]


async def test_when_the_last_server_fails_the_queued_requests_fail_at_once(make: Any) -> None:
    bench = make(1, reranker_max_requests=1)
    tasks = await bench.send(*"abcdefghi")
    await bench.answer(0, OOPS, OOPS, OOPS)
    assert answers(tasks) == [OOPS] * 9
    assert bench.log == [["a", "b", "c"]]


NOT_TESTED = Failed(Why.SELF_TEST, "the known pairs have not been scored yet")


async def test_untested_servers_are_not_used(make: Any) -> None:
    bench = make(2, self_test=True)
    assert bench.pool.failure() == NOT_TESTED
    assert answers(await bench.send("q")) == [NOT_TESTED]
    assert bench.log == [[], []]
    bench.servers[1].health.self_test_passed()
    assert bench.pool.failure() is None
    await bench.send("q")
    assert bench.log == [[], ["q"]]
    await bench.answer_all()


async def test_the_reason_is_a_mismatch_before_a_fault_before_a_missing_self_test(make: Any) -> None:
    bench = make(3, self_test=True)
    one, two, _ = (server.health for server in bench.servers)
    two.failed(OOPS, bench.now)
    assert bench.pool.failure() == OOPS
    one.self_test_failed("wrong order")
    assert bench.pool.failure() == Failed(Why.SELF_TEST, "wrong order")


async def test_the_reason_while_the_only_probe_is_in_flight_is_the_last_fault(make: Any) -> None:
    bench = make(1)
    bench.fail(0, times=3)
    assert answers(await bench.send("q")) == [OOPS]
    bench.now += 1.0
    probe = await bench.send("probe")
    assert answers(await bench.send("q")) == [OOPS]
    await bench.answer(0, SCORES)
    assert answers(probe) == [SCORES]


async def test_a_request_without_a_server_that_it_may_use_says_that_the_circuit_breaker_is_open(make: Any) -> None:
    bench = make(1)
    bench.servers[0].health.state = HealthState.OPEN
    bench.servers[0].health._probing = True
    assert answers(await bench.send("q")) == [Failed(Why.BREAKER)]


async def test_a_request_that_an_idle_server_refused_keeps_no_other_one_from_it(make: Any) -> None:
    bench = make(2, reranker_max_requests=1)
    bench.servers[0].reserve(bench.now, 1)
    busy = await bench.send("busy", seconds=30)
    bench.servers[0].release(1)
    odd = await bench.send("odd", seconds=10)
    await bench.answer(0, Failed(Why.RERANKER_ERROR, "no"))
    even = await bench.send("even", seconds=30)
    await bench.answer(0, SCORES)
    assert answers([*busy, *odd, *even]) == [None, None, SCORES]
    await bench.answer(1, SCORES)
    await bench.answer(1, SCORES)
    assert answers([*busy, *odd]) == [SCORES] * 2
    assert bench.log == [["odd", "even"], ["busy", "odd"]]


def queued(bench: Bench, number: int, tried: Sequence[RerankServer] = ()) -> Any:
    """Queue a request by hand."""
    future: asyncio.Future[RerankServer | Failed] = asyncio.get_running_loop().create_future()
    return QueuedRequest(bench.now + 10 * (number + 1), number, 10, tried, future)


async def test_no_request_takes_the_slot_that_another_one_waits_for(make: Any) -> None:
    bench = make(2, reranker_max_requests=1)
    one, other = bench.servers
    other.reserve(bench.now, 10)
    requests = [queued(bench, 0, [one]), queued(bench, 1), queued(bench, 2)]
    bench.pool._queue = list(requests)
    bench.pool._dispatch()
    assert [request.assigned.done() for request in requests] == [False, True, False]
    assert requests[1].assigned.result() is one
    other.release(10)
    bench.pool._dispatch()
    assert requests[0].assigned.result() is other
    one.release(10)
    bench.pool._dispatch()
    assert requests[2].assigned.result() is one
    one.release(10)
    other.release(10)


async def test_a_server_of_unknown_rate_is_assumed_to_be_as_fast_as_the_others(make: Any) -> None:
    bench = make(2)
    await bench.measure(0, tokens=1000, seconds=2.0)
    for _ in range(8):
        assert isinstance(bench.pool._choose(queued(bench, 0), bench.now, []), RerankServer)
    assert [requests for requests, _ in bench.loads()] == [4, 4]
    for server in bench.servers:
        for _ in range(4):
            server.release(10)


async def test_the_faster_server_gets_more_requests(make: Any) -> None:
    bench = make(2)
    await bench.measure(0, tokens=100, seconds=1.0)
    await bench.measure(1, tokens=300, seconds=1.0)
    await bench.send(*"abcdefgh", tokens=100)
    assert [requests for requests, _ in bench.loads()] == [2, 6]
    await bench.answer_all()


@pytest.mark.parametrize(("seconds", "is_measured"), [(9.9, False), (10.0, True)])
async def test_a_request_with_less_time_than_the_patience_says_nothing_about_the_rate(
    make: Any, seconds: float, is_measured: bool
) -> None:
    bench = make(1)
    await bench.send("q", seconds=seconds, patience=10.0)
    bench.now += 5.0
    await bench.answer(0, LATE)
    assert bench.servers[0].throughput.busy_seconds == (5.0 if is_measured else 0.0)


async def test_an_answer_counts_however_little_time_there_was(make: Any) -> None:
    bench = make(1)
    await bench.send("q", tokens=50, seconds=1.0, patience=10.0)
    bench.now += 0.5
    await bench.answer(0, SCORES)
    load = bench.servers[0].throughput
    assert (load.done_tokens, load.busy_seconds) == (50, 0.5)


async def test_a_canceled_request_says_nothing_about_the_rate(make: Any) -> None:
    bench = make(1)
    (task,) = await bench.send("q")
    bench.now += 2.0
    task.cancel()
    await turn()
    assert bench.servers[0].throughput.busy_seconds == 0.0


def test_the_batch_limit_is_that_of_the_server_with_the_lowest(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, 2)
    assert bench.pool.max_batch == 256
    bench.servers[1]._transport.max_batch = 32
    assert bench.pool.max_batch == 32


async def test_repr_shows_the_states_of_the_servers_and_the_queue(make: Any) -> None:
    bench = make(3, reranker_max_requests=1)
    bench.fail(0, times=3)
    await bench.send("a secret query", "b", "c")
    assert repr(bench.pool) == "<ServerPool 3 servers: 2 healthy, 1 open; 1 requests queued>"
    await bench.answer_all()


async def test_a_call_without_tokens_says_nothing_about_the_rate(make: Any) -> None:
    bench = make()
    tasks = await bench.send("query", tokens=0)
    bench.now += 5.0
    await bench.answer(0, SCORES)
    assert answers(tasks) == [SCORES]
    assert bench.servers[0].throughput.rate is None
    assert bench.servers[0].throughput.busy_seconds == 0


async def test_an_answer_may_take_so_long_after_the_request_was_sent(make: Any) -> None:
    bench = make(1, reranker_max_requests=1)
    await bench.send("first")
    second = asyncio.create_task(bench.pool.ask(RerankCall("second", ["a"], "m"), 10, bench.now + 60, 0.0, 5.0))
    await turn()
    bench.now += 20
    await bench.answer(0, SCORES)
    assert bench.open[0][0].deadline == bench.now + 5.0
    await bench.answer(0, SCORES)
    assert await second == SCORES


@pytest.mark.parametrize(("deadline", "wait"), [(130.0, 3.0), (120.0, 2.0), (110.0, 1.0), (math.inf, 3.0)])
async def test_requests_with_a_later_deadline_are_not_waited_for(make: Any, deadline: float, wait: float) -> None:
    bench = make(1, reranker_max_requests=1)
    await bench.measure(tokens=100, seconds=1.0)
    now = bench.now
    await bench.send("in flight", tokens=100)
    for seconds in (30 - 1, 20 - 1):
        await bench.send("queued", tokens=100, seconds=seconds)
    assert bench.pool.queue_estimate(deadline - 101 + now).wait == pytest.approx(wait)
    await bench.answer_all()


async def test_a_removed_server_answers_what_it_has_and_gets_no_more(make: Any) -> None:
    bench = make(2)
    (first,) = await bench.send("a")
    left = bench.pool.remove(bench.servers[0])
    others = await bench.send("b", "c")
    assert (bench.log, left.is_set()) == ([["a"], ["b", "c"]], False)
    await bench.answer(0, SCORES)
    assert (first.result(), left.is_set()) == (SCORES, True)
    await bench.answer_all()
    assert answers(others) == [SCORES] * 2


async def test_an_idle_server_is_removed_at_once(make: Any) -> None:
    bench = make(1)
    assert bench.pool.remove(bench.servers[0]).is_set()
    tasks = await bench.send("a")
    assert answers(tasks) == [Failed(Why.UNREACHABLE, NO_SERVERS)]
    assert (bench.pool.max_batch, bench.pool.max_tokens) == (1, 1)


async def test_requests_that_wait_for_a_removed_server_are_refused(make: Any) -> None:
    bench = make(1, reranker_max_requests=1)
    tasks = await bench.send("a", "b")
    left = bench.pool.remove(bench.servers[0])
    await turn()
    assert answers(tasks) == [None, Failed(Why.UNREACHABLE, NO_SERVERS)]
    await bench.answer(0, SCORES)
    assert left.is_set()


async def test_a_request_that_fails_on_a_removed_server_is_retried_on_the_others(make: Any) -> None:
    bench = make(2)
    tasks = await bench.send("a")
    left = bench.pool.remove(bench.servers[0])
    await bench.answer(0, OOPS)
    assert left.is_set()
    assert bench.log == [["a"], ["a"]]
    await bench.answer(1, SCORES)
    assert answers(tasks) == [SCORES]


async def test_queued_requests_are_sent_to_an_added_server(make: Any) -> None:
    bench = make(2, reranker_max_requests=1)
    added = bench.servers[1]
    bench.pool.remove(added)
    tasks = await bench.send("a", "b")
    assert bench.log == [["a"], []]
    bench.pool.add(added)
    assert bench.log == [["a"], []]
    await turn()
    assert bench.log == [["a"], ["b"]]
    await bench.answer_all()
    assert answers(tasks) == [SCORES] * 2
