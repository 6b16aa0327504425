from __future__ import annotations

import json
from pathlib import Path

from es_rerank.testing import (
    CAPS,
    FakeResponse,
    FakeServer,
    fake_settings,
    running_endpoint,
    score_response,
    search_response,
    serve_fake,
)

HITS = search_response(("1", 2.0, "a garden"), ("2", 1.0, "a hose"))


async def test_a_rerank_server_on_a_unix_socket_scores_searches_and_may_restart(tmp_path: Path) -> None:
    engine = FakeServer({"/docs/_field_caps": FakeResponse(json.dumps(CAPS).encode()), "": FakeResponse(HITS)})
    reranker, path = FakeServer({"": score_response({"hose": 3.0})}), tmp_path / "vllm.sock"
    async with serve_fake(engine):
        async with serve_fake(reranker, path):
            settings = fake_settings(engine, reranker, score_cache_size=0, self_test=False)
            async with running_endpoint(settings) as endpoint:
                found = await endpoint.search("hose")
                assert (found.ids, found.headers["X-Rerank"].partition(";")[0]) == (["2", "1"], "reranked")
                status = await endpoint.pages.send("GET", "/_rerank/status")
                assert [server["url"] for server in status.json["reranker"]["servers"]] == [f"unix:{path}"]
        path.unlink(missing_ok=True)
        async with running_endpoint(settings) as endpoint:
            found = await endpoint.search("hose")
            assert (found.ids, found.headers["X-Rerank"]) == (["1", "2"], "failed; why=unreachable")
            async with serve_fake(reranker, path):
                found = await endpoint.search("hose")
                assert (found.ids, found.headers["X-Rerank"].partition(";")[0]) == (["2", "1"], "reranked")
