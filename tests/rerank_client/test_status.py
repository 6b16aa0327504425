from __future__ import annotations

import pytest

from es_rerank.model import Rule, ScoreRequest
from es_rerank.rerank_client.client import Reranker
from es_rerank.rerank_client.status import ServerStatus
from es_rerank.testing import FakeResponse, FakeServer, fake_settings, score_response, serve_fake

IN_A_MINUTE = 1e12


@pytest.mark.usefixtures("first_of_equal_servers")
async def test_the_status_shows_servers_queue_and_cache() -> None:
    async with (
        serve_fake(FakeServer({"": score_response()})) as good,
        serve_fake(FakeServer({"": FakeResponse(b"oops", status=500)})) as bad,
    ):
        reranker = Reranker(fake_settings(reranker=[bad, good]))
        before = reranker.status
        await reranker.score(ScoreRequest("q", ["a", "b", None], Rule("docs"), IN_A_MINUTE))
        after = reranker.status
        await reranker.close()
    assert (before.state, before.cached, before.searches, before.queued) == ("ok", 0, 0, 0)
    assert (after.model, after.cached, after.cached_kind) == ("BAAI/bge-reranker-v2-m3", 2, "scores")
    assert (after.searches, after.queued, after.max_queued) == (0, 0, 64)
    assert after.servers == [
        ServerStatus(bad.url, "suspect", "reranker_error: HTTP 500: oops", 0, 0, None),
        ServerStatus(good.url, "healthy", "", 0, 0, None),
    ]
