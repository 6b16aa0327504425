from __future__ import annotations

import pytest

from es_rerank.model import Failed, Why
from es_rerank.rerank.backends import RerankCall
from es_rerank.rerank_client.usage import CANCELED, STATUSES, Usage, Waits
from es_rerank.testing import FakeResponse, score_response
from tests.rerank_client.reranking import ask, reranking

CALL = RerankCall("query", ["a", "b"], "model")


def test_requests_are_counted_by_result() -> None:
    usage = Usage()
    for answer in ([1.0, 2.0], Failed(Why.DEADLINE), None, [1.0, 2.0]):
        usage.add(CALL, 10, answer)
    assert usage.results == {"ok": 2, "deadline": 1, CANCELED: 1}
    assert (usage.passages, usage.tokens) == (8, 40)
    assert set(usage.results) <= set(STATUSES)


def test_waiting_times_are_read_once() -> None:
    waits = Waits()
    waits.add(0.5)
    assert waits.taken() == [0.5]
    assert waits.taken() == []


@pytest.mark.parametrize(("status", "result"), [(200, "ok"), (429, "overloaded"), (400, "refused")])
async def test_a_reranker_reports_its_servers(status: int, result: str) -> None:
    response = score_response() if status == 200 else FakeResponse(b"oops", status=status)
    async with reranking(response) as (reranker, server):
        await reranker.score(ask("a hose", "b"))
        (report,) = reranker.reports()
    assert report.server == server.url
    assert (report.in_flight, report.results, report.passages) == (0, {result: 1}, 2)
    assert report.tokens > 0
    assert len(reranker.taken_waits()) == 1
