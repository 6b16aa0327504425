from __future__ import annotations

import asyncio
import gc
import math
import os
import time
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank.model import Failed, LongDocumentMode, LongDocuments, Scored, Why
from es_rerank.rerank_client import vector_scoring
from es_rerank.rerank_client.client import Health, Reranker
from es_rerank.rerank_client.lru_cache import LruCache
from es_rerank.rerank_client.queued import QueueEstimate
from es_rerank.rerank_client.vector_scoring import _entry_bytes
from es_rerank.testing import FakeResponse, FakeServer, ReceivedRequest, fake_settings, serve_fake, until
from tests.rerank_client.embedding import (
    COSINES,
    KNOWN,
    embedding,
    embedding_reranker,
    passages,
    probability,
    queries,
    sent,
)
from tests.rerank_client.reranking import ask

HALF, SINGLE = 1e-3, 1e-6


def window(found: Scored | Failed) -> tuple[int | None, int]:
    assert isinstance(found, Scored), found
    return found.window, found.cached


def cosine_of(p: float | None) -> float:
    """Return the cosine that became the probability *p*."""
    assert p is not None
    return 0.82 + math.log(p / (1 - p)) / 25


@pytest.mark.parametrize(("settings", "error"), [({}, HALF), ({"vector_cache_bytes": 0}, SINGLE)])
async def test_each_document_gets_the_probability_of_its_cosine(settings: dict[str, Any], error: float) -> None:
    async with embedding_reranker(**settings) as (reranker, server):
        found = await reranker.score(ask("opening hours", None, "mend a hose", "hose"))
    assert isinstance(found, Scored)
    assert found.probabilities[1] is None
    read = [cosine_of(p) for p in found.probabilities if p is not None]
    assert read == pytest.approx([0.6, 0.9, 0.8], abs=error)
    assert (found.cached, found.model) == (0, "intfloat/multilingual-e5-small")
    assert sent(server) == [
        ["query: leaking hose"],
        ["passage: opening hours", "passage: mend a hose", "passage: hose"],
    ]


async def test_a_new_query_over_known_documents_sends_only_the_query() -> None:
    async with embedding_reranker() as (reranker, server):
        first = await reranker.score(ask("mend it", "opening hours"))
        other = await reranker.score(ask("opening hours", "mend it", query="another"))
        again = await reranker.score(ask("mend it", "opening hours", query="another"))
    assert [window(one) for one in (first, other, again)] == [(2, 0), (2, 2), (2, 2)]
    assert isinstance(first, Scored)
    assert isinstance(again, Scored)
    assert again.probabilities == first.probabilities, "a cached vector is the vector that was scored first"
    assert sent(server)[2:] == [["query: another"]]


async def test_a_vector_is_kept_for_its_model_profile_and_prefix() -> None:
    async with embedding_reranker(embedding({})) as (reranker, server):
        await reranker.score(ask("a", "b", query="a"))
        keys = set(reranker._scorer.cache._values)  # type: ignore[attr-defined]
        assert len(keys) == 3, "the query `a` and the passage `a` have different prefixes"
    for settings in ({"model": "mine"}, {"profile": "minilm"}):
        other = Reranker(fake_settings(**{"profile": "e5", **settings}))
        opened = await other._scorer.opened(ask("a", "b", query="a"))
        assert len(opened.places) == 2
        assert not {opened.query_key, *opened.places} & keys
    assert len(server.seen) == 2


async def test_without_a_cache_every_search_asks_for_all_vectors() -> None:
    async with embedding_reranker(vector_cache_bytes=0) as (reranker, server):
        found = [window(await reranker.score(ask("a", "b"))) for _ in range(2)]
    assert found == [(2, 0), (2, 0)]
    assert len(passages(server)) == 4


async def test_a_small_cache_keeps_what_was_used_last() -> None:
    async with embedding_reranker(vector_cache_bytes=2 * 200) as (reranker, _):
        assert window(await reranker.score(ask("a", "b", "c", query="q"))) == (3, 0)
        assert window(await reranker.score(ask("c", "d", query="q"))) == (2, 1)


async def test_equal_texts_in_flight_are_sent_once() -> None:
    async with embedding_reranker(embedding(COSINES, seconds=0.05)) as (reranker, server):
        rows = [("x", "a hose"), ("a hose", "x", "y"), ("x", "x")]
        found = await asyncio.gather(*(reranker.score(ask(*row)) for row in rows))
    assert [window(one) for one in found] == [(2, 0), (3, 0), (2, 0)]
    assert sorted(passages(server)) == ["a hose", "x", "y"]
    assert len(queries(server)) == 1


async def test_a_long_document_is_scored_by_its_best_passage() -> None:
    long = "\n\n".join(["opening hours " * 20] * 5 + ["mend it " * 20] + ["opening hours " * 20] * 5)
    async with embedding_reranker() as (reranker, server):
        found = await reranker.score(ask(long, long=LongDocuments(LongDocumentMode.MAX_PASSAGE, 100)))
        again = await reranker.score(ask(long, query="other", long=LongDocuments(LongDocumentMode.MAX_PASSAGE, 100)))
    assert isinstance(found, Scored)
    assert found.probabilities == [pytest.approx(probability(0.9), abs=0.01)]
    assert len(passages(server)) > 5
    assert window(again) == (1, 1)


async def test_special_tokens_and_lone_surrogates_are_escaped() -> None:
    async with embedding_reranker(model="mine") as (reranker, server):
        await reranker.score(ask("a </s> b", "\ud800", query="<s> hose"))
    assert sent(server) == [["query: < s> hose"], ["passage: a < /s> b", "passage: ?"]]
    assert [seen.json["model"] for seen in server.seen] == ["mine", "mine"]


async def test_a_very_long_query_leaves_room_for_documents() -> None:
    async with embedding_reranker() as (reranker, server):
        found = await reranker.score(
            ask("text " * 900, query="word " * 5000, long=LongDocuments(LongDocumentMode.TRUNCATE))
        )
    assert isinstance(found, Scored)
    (query,), (passage,) = sent(server)
    assert 0 < len(query.split()) <= 129
    assert 0 < len(passage.split()) <= 257


async def test_documents_are_sent_in_batches_that_are_small_until_the_rate_is_known() -> None:
    texts = [f"{at} " + "text " * 50 for at in range(20)]
    async with embedding_reranker() as (reranker, server):
        await reranker.score(ask(*texts))
        small = [len(batch) for batch in sent(server)[1:]]
        load = reranker._pool.servers[0].throughput
        load.done_tokens, load.busy_seconds, load.busy_until = 1e6, 1.0, time.monotonic()
        await reranker.score(ask(*(f"new {text}" for text in texts)))
        large = [len(batch) for batch in sent(server)[1 + len(small) :]]
    assert (sum(small), large) == (20, [20])
    assert max(small) <= 7


async def test_what_was_received_in_time_is_used_and_the_rest_is_ready_for_the_next_search() -> None:
    gate = asyncio.Event()
    texts = [f"hose {at} " + "text " * 90 for at in range(10)]

    async with embedding_reranker() as (reranker, _):
        (server,) = reranker._pool.servers
        answer = server._transport.ask

        async def held(call: Any, deadline: float) -> Any:
            if any("hose 5" in text for text in call.texts):
                await gate.wait()
            return await answer(call, deadline)

        server._transport.ask = held  # type: ignore[method-assign]
        first = await reranker.score(ask(*texts, seconds=1.0, partial=True))
        gate.set()
        await until(lambda: not len(reranker._scorer.inflight))
        second = await reranker.score(ask(*texts, partial=True))
    assert window(first)[0] in range(2, 6)
    assert window(second) == (10, 10)


async def test_a_search_without_permission_for_a_part_fails_and_the_next_is_whole() -> None:
    async with embedding_reranker(embedding(COSINES, seconds=0.2)) as (reranker, server):
        first = await reranker.score(ask("a", "b", seconds=0.1))
        await until(lambda: not len(reranker._scorer.inflight))
        second = await reranker.score(ask("a", "b", seconds=5))
    assert first == Failed(Why.DEADLINE)
    assert window(second) == (2, 2)
    assert sorted(passages(server)) == ["a", "b"]


async def test_a_window_that_must_be_whole_is_not_scored_in_part() -> None:
    async with embedding_reranker(lambda seen: _slow_documents(seen, "late")) as (reranker, _):
        request = ask("a", "b", *("late " * 120 + str(at) for at in range(8)), seconds=0.5, partial=True)
        assert await reranker.score(replace(request, whole=True)) == Failed(Why.DEADLINE)


def _slow_documents(seen: ReceivedRequest, word: str) -> FakeResponse:
    """Answer requests with *word* after a minute."""
    slow = any(word in text for text in seen.json["input"])
    return embedding(COSINES, seconds=60 if slow else 0)(seen)


async def test_what_a_client_that_disconnects_waited_for_is_canceled() -> None:
    async with embedding_reranker(lambda seen: _slow_documents(seen, "late")) as (reranker, server):
        search = asyncio.create_task(reranker.score(ask("late", "late too", seconds=30)))
        await server.reached(2)
        search.cancel()
        await asyncio.gather(search, return_exceptions=True)
        await until(lambda: not len(reranker._scorer.inflight))
        assert reranker.health == Health("ok")


async def test_at_most_so_many_texts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_scoring, "_MAX_KEPT_TEXTS", 1)
    async with embedding_reranker(lambda seen: _slow_documents(seen, "late")) as (reranker, _):
        assert await reranker.score(ask("late", "late too", seconds=0.2)) == Failed(Why.DEADLINE)
        await until(lambda: not len(reranker._scorer.inflight))


async def test_a_query_is_sent_before_documents_that_wait() -> None:
    order: list[str] = []

    async with embedding_reranker() as (reranker, _):
        (server,) = reranker._pool.servers
        answer, gate = server._transport.ask, asyncio.Event()

        async def held(call: Any, deadline: float) -> Any:
            order.append(call.texts[0][:9])
            if call.texts[0].startswith("passage: "):
                await gate.wait()
            return await answer(call, deadline)

        server._transport.ask = held  # type: ignore[method-assign]
        texts = [f"{at} " + "text " * 200 for at in range(12)]
        cold = asyncio.create_task(reranker.score(ask(*texts, query="one")))
        await until(lambda: "passage: " in order)
        other = asyncio.create_task(reranker.score(ask(*texts, query="two")))
        await until(lambda: order.count("query: tw") == 1)
        assert order.count("passage: ") < 6, "the other documents still wait"
        gate.set()
        assert [window(one) for one in await asyncio.gather(cold, other)] == [(12, 0), (12, 0)]


def measured(reranker: Reranker, monkeypatch: pytest.MonkeyPatch, wait: float, rate: float) -> None:
    monkeypatch.setattr(reranker._pool, "queue_estimate", lambda _: QueueEstimate(wait, rate))


async def readable(reranker: Reranker, *documents: str, queued: int = 0, **request: Any) -> int:
    whole = request.pop("whole", False)
    scorer = reranker._scorer
    opened = await scorer.opened(replace(ask(*documents, seconds=3.0, **request), whole=whole))
    return scorer._readable(opened, queued)  # type: ignore[union-attr]


TEN = tuple(f"{at} {'x' * 246}" for at in range(10))  # 71 tokens each


@pytest.mark.parametrize(
    ("wait", "rate", "rule", "expected"),
    [
        (0.0, math.inf, {}, 10),
        (0.0, 1000.0, {}, 10),
        # Without partial scores, what fits into the deadline; with them, what can be computed for later, too.
        (0.0, 80.0, {"partial": False}, 3),
        (0.0, 80.0, {"partial": True}, 10),
        (2.9, 1000.0, {"partial": True}, 10),
        (3.1, 1000.0, {"partial": True}, 0),
        # One document has no order.
        (0.0, 40.0, {"partial": False}, 0),
        (0.0, 1000.0, {"whole": True}, 10),
        (0.0, 80.0, {"whole": True, "partial": False}, 0),
        (0.0, 80.0, {"whole": True, "partial": True}, 0),
    ],
)
async def test_only_as_much_is_requested_as_can_be_computed(
    wait: float, rate: float, rule: dict[str, Any], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reranker = Reranker(fake_settings(profile="e5"))
    measured(reranker, monkeypatch, wait, rate)
    assert await readable(reranker, *TEN, **rule) == expected


@pytest.mark.parametrize(("queued", "expected"), [(0, 10), (32, 5), (48, 2), (64, 0)])
async def test_the_longer_the_queue_the_smaller_the_window(queued: int, expected: int) -> None:
    reranker = Reranker(fake_settings(profile="e5", reranker_queue_size=64))
    assert await readable(reranker, *TEN, queued=queued) == expected


async def test_documents_with_vectors_are_no_load(monkeypatch: pytest.MonkeyPatch) -> None:
    async with embedding_reranker() as (reranker, _):
        await reranker.score(ask(*TEN[:4]))
        measured(reranker, monkeypatch, 99.0, 1.0)
        assert await readable(reranker, *TEN[:4], queued=64) == 4
        assert await readable(reranker, *TEN) == 4, "the documents after them must wait too long"
        found = await reranker.score(ask(*TEN, query="another"))
    assert window(found) == (4, 4)


async def test_a_search_waits_for_documents_that_another_search_has_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    async with embedding_reranker(embedding(COSINES, seconds=0.1)) as (reranker, server):
        first = asyncio.create_task(reranker.score(ask(*TEN[:4])))
        await server.reached(2)
        measured(reranker, monkeypatch, 99.0, 1e6)
        assert await readable(reranker, *TEN[:4]) == 4
        assert window(await first) == (4, 0)


async def test_vectors_of_another_length_are_no_scores_and_are_forgotten() -> None:
    async with embedding_reranker() as (reranker, server):
        await reranker.score(ask("a", "b"))
        server.says["/v1/embeddings"] = embedding(COSINES, values=3)
        found = await reranker.score(ask("a", "b", query="another"))
        assert found == Failed(Why.BAD_ANSWER, "vectors of different lengths: do all servers have the same model?")
        assert window(await reranker.score(ask("a", "b", query="a third"))) == (2, 0)


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (FakeResponse(b"oops", status=500), Why.RERANKER_ERROR),
        (FakeResponse(b"no such path", status=404), Why.REFUSED),
        (FakeResponse(b"busy", status=429), Why.OVERLOADED),
        (FakeResponse(b'{"data": []}'), Why.BAD_ANSWER),
        (FakeResponse(b"<html>"), Why.BAD_ANSWER),
        (FakeResponse(b'{"error": {"message": "input_tokens: too long"}}', status=400), Why.TOO_LONG),
        (FakeResponse(b"", cut_off=True), Why.BAD_ANSWER),
        (FakeResponse(b"", seconds=60), Why.DEADLINE),
        (embedding({"a": math.nan}), Why.BAD_ANSWER),
    ],
)
async def test_a_failing_server_is_the_same_failure_as_with_scores(response: Any, why: Why) -> None:
    async with embedding_reranker(response) as (reranker, _):
        found = await reranker.score(ask("a", "b", seconds=0.5))
    assert isinstance(found, Failed)
    assert found.why is why


async def test_a_text_that_is_too_long_is_halved() -> None:
    def short_only(seen: ReceivedRequest) -> FakeResponse:
        if any(len(text) > 100 for text in seen.json["input"]):
            return FakeResponse(b'{"error": {"message": "input_tokens: too long"}}', status=400)
        return embedding(COSINES)(seen)

    async with embedding_reranker(short_only) as (reranker, server):
        found = await reranker.score(ask("hose " * 30, "b"))
    assert window(found) == (2, 0)
    assert queries(server) == [["query: leaking hose"]], "the query is sent alone, so that it is not halved"


async def test_after_three_faults_the_circuit_breaker_is_open() -> None:
    async with embedding_reranker(FakeResponse(b"oops", status=500)) as (reranker, server):
        found = [await reranker.score(ask("a", "b", query=str(at))) for at in range(4)]
        count = len(server.seen)
        last = await reranker.score(ask("a", "b"))
    assert {one.why for one in found if isinstance(one, Failed)} <= {Why.RERANKER_ERROR, Why.BREAKER}
    assert isinstance(last, Failed)
    assert len(server.seen) == count


async def test_searches_and_batches_are_spread_over_the_servers() -> None:
    fakes = [FakeServer({"/v1/embeddings": embedding(COSINES, seconds=0.02)}) for _ in range(2)]
    async with serve_fake(fakes[0]), serve_fake(fakes[1]):
        reranker = Reranker(fake_settings(reranker=fakes, profile="e5"))
        found = await reranker.score(ask(*(f"{at} " + "text " * 100 for at in range(12))))
        await reranker.close()
    assert window(found) == (12, 0)
    assert all(len(passages(one)) >= 3 for one in fakes)
    assert sum(len(passages(one)) for one in fakes) == 12


async def test_one_server_of_two_is_enough() -> None:
    broken, sound = FakeServer({"/": FakeResponse(b"oops", status=500)}), FakeServer({"/": embedding(COSINES)})
    async with serve_fake(broken), serve_fake(sound):
        with capture_logs():
            reranker = Reranker(fake_settings(reranker=[broken, sound], profile="e5"))
            found = [await reranker.score(ask(f"text {at}", query=str(at))) for at in range(6)]
            await reranker.close()
    assert [window(one) for one in found] == [(1, 0)] * 6


@pytest.mark.parametrize(("cosine", "state"), [(0.9, "ok"), (0.5, "degraded")])
async def test_the_self_test_scores_the_known_pairs_from_vectors(cosine: float, state: str) -> None:
    response = embedding(dict.fromkeys(KNOWN, cosine), default=0.7)
    async with embedding_reranker(response, self_test=True) as (reranker, server):
        starting = asyncio.create_task(reranker.start())
        await until(lambda: reranker.health.state != "untested")
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        assert reranker.health.state == state
        assert sent(server)[0][0] == "query: how do I stop a tap from dripping"
        assert [len(texts) for texts in sent(server)[:4]] == [3] * 4
        assert len(reranker._scorer.cache) == 0


async def test_vectors_of_a_server_that_returned_are_forgotten() -> None:
    async with embedding_reranker() as (reranker, _):
        await reranker.score(ask("a", "b"))
        (server,) = reranker._pool.servers
        server.health.failed(Failed(Why.UNREACHABLE, "refused"), 0.0)
        server._answered(0.0)
        assert len(reranker._scorer.cache) == 0


async def test_when_it_gives_up_all_searches_have_run_out_of_time() -> None:
    async with embedding_reranker(FakeResponse(b"", seconds=9)) as (reranker, server):
        waiting = asyncio.create_task(reranker.score(ask("a", seconds=60)))
        await server.reached(2)
        reranker.give_up()
        assert [await waiting, await reranker.score(ask("b", seconds=60))] == [Failed(Why.DEADLINE)] * 2


async def test_closing_cancels_what_is_kept() -> None:
    async with embedding_reranker(lambda seen: _slow_documents(seen, "late")) as (reranker, _):
        assert await reranker.score(ask("late", "late too", seconds=0.1)) == Failed(Why.DEADLINE)
        assert (len(reranker._scorer.inflight), reranker.health.texts) == (2, 2)
        await reranker.close()
        assert len(reranker._scorer.inflight) == 0


async def test_repr_counts_vectors() -> None:
    async with embedding_reranker() as (reranker, _):
        await reranker.score(ask("a", "b"))
        assert repr(reranker).startswith(
            "<Reranker intfloat/multilingual-e5-small ok: 0 searches in progress, 3 cached vectors, "
        )
        assert reranker.health.vector_bytes == reranker._scorer.cache.size > 0


@pytest.mark.parametrize("entries", [10_000, 22_000])
def test_a_cached_vector_of_384_dimensions_takes_at_most_a_kilobyte_as_counted(entries: int) -> None:
    cache: LruCache[bytes] = LruCache("vectors", 10**9, _entry_bytes)
    gc.collect()
    tracemalloc.start()
    for _ in range(entries):
        cache.put_many([os.urandom(16)], [os.urandom(2 * 384)])
    measured = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert measured / entries <= 1024
    assert measured == pytest.approx(cache.size, rel=0.05)


async def test_what_an_earlier_search_has_left_for_later_does_not_delay_the_next_one() -> None:
    """A server of 2,000 tokens per second, and windows of four seconds: every search is reranked in part."""

    def slow(seen: ReceivedRequest) -> FakeResponse:
        return replace(embedding()(seen), seconds=sum(map(len, seen.json["input"])) / 7000)

    windows = []
    async with embedding_reranker(slow, reranker_max_requests=1) as (reranker, _):
        for number in range(3):
            texts = [f"{number} {at} " + "garden hose " * 80 for at in range(30)]
            windows.append(await reranker.score(ask(*texts, query=f"hose {number}", seconds=1.0)))
    assert all(isinstance(one, Scored) and one.window for one in windows), windows
