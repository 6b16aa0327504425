"""Which server gets a request; test_pool.py tests the choice among servers under load."""

from __future__ import annotations

import asyncio

import pytest

from es_rerank.model import Failed, Why
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder
from es_rerank.rerank_client.queued import QueuedRequest
from es_rerank.rerank_client.server import RerankServer
from es_rerank.rerank_client.server_choice import NO_SERVERS, fastest, refusal
from es_rerank.rerank_client.server_health import NOT_TESTED
from es_rerank.testing import fake_settings

OOPS = Failed(Why.RERANKER_ERROR, "HTTP 500: oops")


@pytest.fixture
def servers() -> list[RerankServer]:
    prompts = PromptBuilder(BACKENDS["vllm"], PROFILES["bge-reranker"], "some/model", 10_000)
    settings = fake_settings(reranker_max_requests=2, self_test=True)
    return [RerankServer(settings, f"http://{number}", prompts, lambda *_: None) for number in range(2)]


def measure(server: RerankServer, tokens: int) -> None:
    """Set the throughput to *tokens* per second, and keep one request of 100 tokens in flight."""
    server.throughput.started(0.0, tokens)
    server.throughput.ended(1.0, tokens, 0.0, answered=True)
    server.throughput.started(1.0, 100)


def request(tokens: int, deadline: float = 100.0) -> QueuedRequest:
    return QueuedRequest(deadline, 0, tokens, (), asyncio.get_running_loop().create_future())


async def test_the_faster_server_is_chosen(servers: list[RerankServer]) -> None:
    measure(servers[0], 100)
    measure(servers[1], 200)
    assert fastest(servers, request(10), servers, 2.0) is servers[1]
    assert fastest(servers[:1], request(10), servers, 2.0) is servers[0]


async def test_a_server_of_unknown_rate_counts_as_fast_as_the_fastest(servers: list[RerankServer]) -> None:
    measure(servers[0], 200)
    servers[1].throughput.started(1.0, 50)
    assert fastest(servers, request(10), servers, 2.0) is servers[1]


async def test_idle_servers_are_chosen_at_random_so_that_endpoints_do_not_all_use_the_first(
    servers: list[RerankServer],
) -> None:
    chosen = {fastest(servers, request(10), servers, 2.0) for _ in range(100)}
    assert chosen == set(servers)


async def test_a_server_at_its_limit_is_not_chosen(servers: list[RerankServer]) -> None:
    for server in servers:
        measure(server, 100)
    servers[0].throughput.started(1.0, 1)
    assert fastest(servers, request(10), servers, 2.0) is servers[1]
    servers[1].throughput.started(1.0, 1)
    assert fastest(servers, request(10), servers, 2.0) is None


async def test_a_request_waits_for_a_fast_server_if_a_slow_one_would_be_late(servers: list[RerankServer]) -> None:
    measure(servers[0], 1000)
    measure(servers[1], 100)
    servers[1].throughput.dropped(100)
    servers[0].throughput.started(1.0, 100)
    assert fastest(servers, request(100, 2.9), servers, 2.0) is None
    assert fastest(servers, request(100, 3.0), servers, 2.0) is servers[1]
    assert fastest(servers, request(100, 2.2), servers, 2.0) == Failed(Why.DEADLINE)
    assert fastest(servers, request(100, 2.2), servers, 3.0) == Failed(Why.DEADLINE)
    assert fastest(servers, request(100, 3.1), servers, 3.0) is servers[1], "it was idle for two seconds"


async def test_the_reason_is_the_self_test_before_other_faults(servers: list[RerankServer]) -> None:
    assert refusal(servers) == Failed(Why.SELF_TEST, NOT_TESTED)
    servers[0].health.failed(OOPS, 0.0)
    assert refusal(servers) == OOPS
    servers[1].health.self_test_failed("wrong order")
    assert refusal(servers) == Failed(Why.SELF_TEST, "wrong order")
    for server in servers:
        server.health.self_test_passed()
    assert refusal(servers) == Failed(Why.BREAKER)
    assert refusal([]) == Failed(Why.UNREACHABLE, NO_SERVERS)
