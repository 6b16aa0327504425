from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from es_rerank.model import Failed, LongDocumentMode, LongDocuments, Scored, Why
from es_rerank.rerank.backends import RerankCall
from es_rerank.rerank.prompt import approximate_tokens
from es_rerank.rerank_client import pool, window_scoring
from es_rerank.rerank_client.client import Reranker
from es_rerank.testing import (
    fake_settings,
    score_response,
)
from tests.rerank_client.reranking import BY_TEXT, ask, reranking, scripted, sent, sigmoid


async def test_a_pair_is_scored_once() -> None:
    async with reranking() as (reranker, server):
        await reranker.score(ask("a hose", "b"))
        again = await reranker.score(ask("c", "a hose", None))
        other = await reranker.score(ask("a hose", query="another"))
    assert isinstance(again, Scored)
    assert isinstance(other, Scored)
    assert (again.cached, other.cached) == (1, 0)
    assert sent(server) == [["a hose", "b"], ["c"], ["a hose"]]


async def test_equal_texts_of_one_window_are_one_pair() -> None:
    async with reranking() as (reranker, server):
        found = await reranker.score(ask("a", "a", "a"))
    assert isinstance(found, Scored)
    assert len(found.probabilities) == 3
    assert sent(server) == [["a"]]


async def test_equal_pairs_in_flight_are_scored_once() -> None:
    async with reranking(lambda seen: replace(score_response(BY_TEXT)(seen), seconds=0.05)) as (reranker, server):
        found = await asyncio.gather(*(reranker.score(ask("a hose", text)) for text in ("x", "x", "y")))
    assert all(isinstance(one, Scored) for one in found)
    assert sorted(sent(server)) == [["a hose", "x"], ["y"]]


async def test_a_large_window_is_sent_in_batches() -> None:
    async with reranking() as (reranker, server):
        reranker._pool.servers[0].throughput.tested_rate = 1e6
        found = await reranker.score(ask(*(f"text {at}" for at in range(600))))
    assert isinstance(found, Scored)
    assert sorted(len(texts) for texts in sent(server)) == [88, 256, 256]


async def test_a_long_document_is_scored_by_its_best_passage() -> None:
    long = "\n\n".join(["opening hours " * 20] * 5 + ["mend it " * 20] + ["opening hours " * 20] * 5)
    async with reranking() as (reranker, server):
        found = await reranker.score(ask(long, long=LongDocuments(LongDocumentMode.MAX_PASSAGE, 100)))
    assert isinstance(found, Scored)
    assert found.probabilities == [pytest.approx(sigmoid(2))]
    assert sum(map(len, sent(server))) > 5


async def test_a_cached_window_is_no_load() -> None:
    async with reranking(
        lambda seen: replace(score_response()(seen), seconds=0.1), reranker_max_requests=1, reranker_queue_size=1
    ) as (reranker, _):
        await reranker.score(ask("a", "b", "c", "d"))
        waiting = asyncio.create_task(reranker.score(ask("e", query="another")))
        await asyncio.sleep(0.01)
        found = await reranker.score(ask("a", "b", "c", "d"))
        await waiting
    assert isinstance(found, Scored)
    assert (found.window, found.cached) == (4, 4)


async def test_a_search_with_more_time_than_the_one_that_sent_the_request_sends_it_again() -> None:
    reranker = Reranker(fake_settings())
    requests = scripted(reranker, lambda number, _: [2.0] if number else Failed(Why.DEADLINE))
    hurried, patient = await asyncio.gather(
        reranker.score(ask("mend", seconds=1)), reranker.score(ask("mend", seconds=30))
    )
    assert hurried == Failed(Why.DEADLINE)
    assert isinstance(patient, Scored)
    assert requests == [["mend"], ["mend"]]


async def parts(known: Sequence[int], **rule: Any) -> Scored | Failed:
    """Search in a window of 40 of a server that answers only the requests of these numbers in time."""
    reranker = Reranker(fake_settings(reranker_max_requests=1 if known == [0, 1] else 8))
    late = Failed(Why.DEADLINE)
    scripted(reranker, lambda number, texts: [1.0] * len(texts) if number in known else late)
    texts = [f"hose {at:02}" for at in range(40)]
    # The servers seem to score 39 documents within the deadline, so the first step has 19.
    reranker._pool.servers[0].throughput.tested_rate = approximate_tokens(len(texts[0])) * 39.5 / 5.0
    return await reranker.score(ask(*texts, **rule))


async def test_partial_scores_are_those_of_the_head_of_the_window() -> None:
    found = await parts([0, 1], partial=True)
    assert isinstance(found, Scored)
    assert found.window == 8
    assert [p is not None for p in found.probabilities] == [True] * 8 + [False] * 32


@pytest.mark.parametrize(("known", "partial"), [([], False), ([1, 2, 3], True), ([], True)])
async def test_without_a_scored_head_or_permission_there_are_no_partial_scores(known: list[int], partial: bool) -> None:
    found = await parts(known, partial=partial)
    assert isinstance(found, Failed)
    assert found.why is Why.DEADLINE


async def test_once_the_rate_is_measured_texts_that_fit_easily_are_one_request() -> None:
    reranker = Reranker(fake_settings())
    requests = scripted(reranker, lambda _, texts: [1.0] * len(texts))
    texts = [f"hose {at:02}" for at in range(40)]
    reranker._pool.servers[0].throughput.tested_rate = approximate_tokens(len(texts[0])) * 39.5 / 5.0
    found = await reranker.score(ask(*texts, partial=True))
    assert isinstance(found, Scored)
    assert [len(one) for one in requests] == [4, 4, 4, 4, 3, 21]


async def test_without_a_queue_a_search_that_would_wait_is_shed() -> None:
    async with reranking(reranker_queue_size=0) as (reranker, _):
        assert reranker._scorer.readable([10, 10], ask("a", "b"), 0) == 2
        assert reranker._scorer.readable([10, 10], ask("a", "b"), 1) == 0


@pytest.mark.parametrize(("characters", "threads"), [(199_999, 0), (200_000, 1)])
async def test_large_requests_are_split_in_a_thread(
    characters: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    to_thread = asyncio.to_thread

    async def spy(function: Any, *arguments: Any) -> Any:
        started.append(function)
        return await to_thread(function, *arguments)

    monkeypatch.setattr(asyncio, "to_thread", spy)
    reranker = Reranker(fake_settings())
    scripted(reranker, lambda _, texts: [1.0] * len(texts))
    half = characters // 2
    found = await reranker.score(
        ask("a" * half, None, "a" * (characters - half), long=LongDocuments(LongDocumentMode.TRUNCATE))
    )
    assert isinstance(found, Scored)
    assert len(started) == threads


@pytest.mark.parametrize(("scored", "is_used"), [(1, False), (2, True)])
async def test_one_scored_document_has_no_order(scored: int, is_used: bool) -> None:
    reranker = Reranker(fake_settings(reranker_max_tokens=512))
    late = Failed(Why.DEADLINE)
    scripted(reranker, lambda number, texts: [1.0] * len(texts) if number < scored else late)
    found = await reranker.score(ask(*[f"{at} " * 600 for at in range(4)], partial=True))
    assert isinstance(found, Scored) is is_used
    assert not is_used or found.window == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(("why", "is_used"), [(Why.OVERLOADED, True), (Why.REFUSED, False)])
async def test_partial_scores_are_used_only_if_time_or_capacity_ran_out(why: Why, is_used: bool) -> None:
    reranker = Reranker(fake_settings())
    scripted(reranker, lambda number, texts: Failed(why) if number else [1.0] * len(texts))
    found = await reranker.score(ask(*["hose " * 40 + str(at) for at in range(20)], partial=True))
    assert isinstance(found, Scored) is is_used


async def test_partial_batches_are_no_larger_than_a_server_takes() -> None:
    reranker = Reranker(fake_settings())
    reranker._pool.servers[0]._transport.max_batch = 3
    requests = scripted(reranker, lambda _, texts: [1.0] * len(texts))
    await reranker.score(ask(*[f"hose {at}" for at in range(7)], partial=True))
    assert [len(texts) for texts in requests] == [3, 3, 1]


@pytest.mark.parametrize(("tokens", "requests"), [(512, 1), (513, 2)])
async def test_a_window_within_the_token_limit_is_one_request(tokens: int, requests: int) -> None:
    reranker = Reranker(fake_settings(reranker_max_tokens=512))
    sent_texts = scripted(reranker, lambda _, texts: [1.0] * len(texts))
    texts = ["a" * math.ceil((count - 1) * 3.5) for count in (256, tokens - 256)]
    assert sum(map(approximate_tokens, map(len, texts))) == tokens
    await reranker.score(ask(*texts, long=LongDocuments(LongDocumentMode.TRUNCATE, 8000)))
    assert len(sent_texts) == requests


async def test_the_tokens_and_deadlines_of_a_request_reach_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    reranker = Reranker(fake_settings())
    seen: list[Any] = []

    async def take(call: RerankCall, tokens: int, deadline: float, patience: float) -> list[float]:
        seen.append((list(call.texts), tokens, deadline, patience))
        return [1.0] * len(call.texts)

    monkeypatch.setattr(reranker._pool, "ask", take)
    request = ask("a" * 35, None, "b", deadline=2.0)
    await reranker.score(request)
    assert seen == [(["a" * 35, "b"], 11 + 1, request.deadline, 0.5)]


@pytest.mark.parametrize(
    ("waiting", "queue", "expected"), [(0, 64, 10), (31, 64, 10), (32, 64, 5), (48, 64, 2), (64, 64, 0), (-9, 0, 10)]
)
async def test_the_longer_the_queue_the_smaller_the_window(waiting: int, queue: int, expected: int) -> None:
    reranker = Reranker(fake_settings(reranker_queue_size=queue))
    assert reranker._scorer.readable([1] * 10, ask("a"), waiting) == expected


@pytest.mark.parametrize(("wait", "expected"), [(4.9, 10), (5.1, 5), (7.6, 2), (10.1, 0)])
async def test_the_longer_the_wait_the_smaller_the_window(
    wait: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reranker = Reranker(fake_settings())
    monkeypatch.setattr(window_scoring, "time", type("Clock", (), {"monotonic": staticmethod(lambda: 100.0)}))
    monkeypatch.setattr(reranker._pool, "queue_estimate", lambda: pool.QueueEstimate(wait, 1e9))
    request = replace(ask("a"), deadline=110.0)
    assert reranker._scorer.readable([1] * 10, request, 0) == expected
    assert reranker._scorer.readable([1] * 10, replace(request, whole=True), 64) == (10 if wait < 10 else 0)


async def test_a_cached_document_counts_only_if_it_was_cached_before() -> None:
    reranker = Reranker(fake_settings())
    scripted(reranker, lambda _, texts: [1.0] * len(texts))
    first = await reranker.score(ask("a", "a", None))
    second = await reranker.score(ask("a", "b", None, "a"))
    assert isinstance(first, Scored)
    assert isinstance(second, Scored)
    assert (first.cached, second.cached) == (0, 2)


@pytest.mark.parametrize(
    ("rule", "settings"),
    [({"instruction": "Find parts"}, {}), ({}, {"model": "mine"}), ({}, {"profile": "e5", "backend": "tei"})],
)
async def test_a_score_is_cached_for_its_model_profile_and_instruction(
    rule: dict[str, Any], settings: dict[str, Any]
) -> None:
    one, other = Reranker(fake_settings()), Reranker(fake_settings(**settings))
    other._scorer.cache = one._scorer.cache
    other._scorer.inflight = one._scorer.inflight
    for reranker in (one, other):
        scripted(reranker, lambda _, texts: [1.0] * len(texts))
    await one.score(ask("a"))
    found = await other.score(ask("a", **rule))
    assert isinstance(found, Scored)
    assert found.cached == 0
    assert len(one._scorer.cache) == 2


async def test_little_time_leaves_room_for_few_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    reranker = Reranker(fake_settings())
    monkeypatch.setattr(window_scoring, "time", type("Clock", (), {"monotonic": staticmethod(lambda: 100.0)}))
    monkeypatch.setattr(reranker._pool, "queue_estimate", lambda: pool.QueueEstimate(0.0, 10.0))
    request = ask("a")
    read = [
        reranker._scorer.readable([1] * 10, replace(request, deadline=100.0 + left), 0) for left in (1.0, 0.5, 0.2, 0.0)
    ]
    assert read == [10, 5, 2, 0]


async def test_a_fast_server_gets_the_next_window_at_once() -> None:
    texts = ["hose " * 100 + str(at) for at in range(20)]
    async with reranking() as (reranker, server):
        await reranker.score(ask(*texts))
        first = len(server.seen)
        found = await reranker.score(ask(*texts, query="another"))
    assert isinstance(found, Scored)
    assert found.window == 20
    assert first > 1, "nothing was known of the server"
    assert len(server.seen) == first + 1
