from __future__ import annotations

import asyncio
from dataclasses import replace

from es_rerank.model import Failed, LongDocumentMode, LongDocuments, Scored, Why
from es_rerank.testing import score_response
from tests.rerank_client.reranking import BY_TEXT, ask, reranking, sent

V3 = {"profile": "jina-reranker-v3"}


async def test_no_score_is_used_for_another_list() -> None:
    async with reranking(**V3) as (reranker, server):
        first = await reranker.score(ask("a hose", "b"))
        again = await reranker.score(ask("a hose", "b"))
        other = await reranker.score(ask("a hose", "c"))
    assert all(isinstance(one, Scored) and one.cached == 0 for one in (first, again, other))
    assert sent(server) == [["a hose", "b"], ["a hose", "b"], ["a hose", "c"]]


async def test_only_equal_lists_in_flight_share_a_request() -> None:
    async with reranking(lambda seen: replace(score_response(BY_TEXT)(seen), seconds=0.05), **V3) as (reranker, server):
        found = await asyncio.gather(*(reranker.score(ask("a hose", text)) for text in ("x", "x", "y")))
    assert all(isinstance(one, Scored) for one in found)
    assert sorted(sent(server)) == [["a hose", "x"], ["a hose", "y"]]


async def test_a_list_is_never_split() -> None:
    async with reranking(reranker_max_tokens=512, **V3) as (reranker, server):
        search = ask(*(f"text {at} " * 50 for at in range(64)))
        found = await reranker.score(replace(search, rule=replace(search.rule, partial=True)))
    assert isinstance(found, Scored)
    assert [len(texts) for texts in sent(server)] == [64]


async def test_documents_beyond_the_longest_list_keep_their_order() -> None:
    async with reranking(**V3) as (reranker, server):
        found = await reranker.score(ask(*(f"text {at}" for at in range(100))))
    assert isinstance(found, Scored)
    assert (found.window, [len(texts) for texts in sent(server)]) == (64, [64])


async def test_a_list_is_not_shortened_under_load() -> None:
    slow = lambda seen: replace(score_response()(seen), seconds=0.2)  # noqa: E731
    async with reranking(slow, reranker_max_requests=1, reranker_queue_size=2, **V3) as (reranker, server):
        found = await asyncio.gather(*(reranker.score(ask("a", "b", "c", "d", query=f"q{at}")) for at in range(3)))
    lengths = {len(texts) for texts in sent(server)}
    assert lengths == {4}
    assert all(isinstance(one, Scored) or one == Failed(Why.OVERLOADED) for one in found)


async def test_only_the_start_of_a_long_document_is_in_the_list() -> None:
    long = "\n\n".join(["opening hours " * 200] * 20)
    async with reranking(**V3) as (reranker, server):
        await reranker.score(ask(long, "b", long=LongDocuments()))
        await reranker.score(ask(long, "b", long=LongDocuments(LongDocumentMode.TRUNCATE, 100)))
    assert [len(texts) for texts in sent(server)] == [2, 2]


async def test_lists_are_not_shared_with_other_processes() -> None:
    async with reranking(shared_cache="redis://127.0.0.1:9", **V3) as (reranker, _):
        assert reranker._scorer.shared is None
        assert isinstance(await reranker.score(ask("a hose", "b")), Scored)
