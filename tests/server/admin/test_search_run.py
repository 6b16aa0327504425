from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from es_rerank.model import Why
from es_rerank.reasons import REASONS
from es_rerank.server.admin import search_run
from es_rerank.testing import FakeResponse, search_response
from tests.server.admin.test_explain import explained
from tests.server.handlers.engine import BEST, HOSE, running


async def ran(path: str = "/docs/_search", body: Any = None, **endpoint: Any) -> dict[str, Any]:
    async with running(**endpoint) as (proxy, _, _):
        (found,) = await explained(proxy, path=path, body=body or HOSE, run=True)
    result: dict[str, Any] = found["result"]
    return result


async def test_both_orders_are_those_that_a_client_gets() -> None:
    async with running() as (proxy, _, _):
        (found,) = await explained(proxy, path="/docs/_search", body=HOSE, run=True)
        client = await proxy.search()
    hits = found["result"]["hits"]
    assert [hit["id"] for hit in hits] == ["1", "2", "3", "4"]
    assert [hit["id"] for hit in sorted(hits, key=lambda hit: hit["rank"])] == client.ids == BEST
    scores = {hit["_id"]: hit["_score"] for hit in client.json["hits"]["hits"]}
    assert {hit["id"]: hit["score"] for hit in hits} == pytest.approx(scores)
    assert [(hit["engine_rank"], hit["engine_score"]) for hit in hits] == [(1, 9.0), (2, 8.0), (3, 7.0), (4, 6.0)]
    assert found["result"]["header"] == "reranked; window=4; cached=0; model=BAAI/bge-reranker-v2-m3"
    assert found["result"]["total"] == {"value": 4, "relation": "eq"}
    assert found["result"]["times"].keys() == {"engine", "rerank", "proxy"}


async def test_each_hit_has_the_passages_that_the_model_read_and_their_scores() -> None:
    result = await ran(profile="bge-reranker", long_documents="max_passage")
    assert [[passage["text"] for passage in hit["passages"]] for hit in result["hits"]] == [
        ["opening hours"],
        ["spare parts"],
        ["mend a hose"],
        ["a hose"],
    ]
    for hit in result["hits"]:
        assert hit["probability"] == max(passage["probability"] for passage in hit["passages"])
        assert (hit["passages_of"], hit["truncated"]) == (1, False)
    assert [(row["field"], row["read"]) for row in result["fields"]] == [("title", True), ("body", True)]


async def test_the_fields_of_a_rule_are_read_because_the_rule_names_them(tmp_path: Path) -> None:
    (tmp_path / "docs.yaml").write_text("index: docs\nfields: [body]\n")
    result = await ran(mappings=tmp_path)
    assert result["fields"] == [{"field": "body", "read": True, "why": "named by the rule or the request"}]


async def test_a_failure_keeps_the_engines_order_and_shows_what_would_have_been_read() -> None:
    result = await ran(model=FakeResponse(b"oops", 500))
    means, do = REASONS[Why.RERANKER_ERROR]
    assert (result["outcome"], result["why"], result["means"], result["do"]) == ("failed", "reranker_error", means, do)
    assert result["detail"] == "HTTP 500: oops"
    assert [hit["rank"] for hit in result["hits"]] == [1, 2, 3, 4]
    assert [hit["score"] for hit in result["hits"]] == [9.0, 8.0, 7.0, 6.0]
    assert result["hits"][2]["passages"][0]["text"] == "mend a hose"
    assert result["hits"][2]["passages"][0]["probability"] is None


async def test_a_hit_below_the_minimum_is_dropped() -> None:
    reranker = {"text_similarity_reranker": {"retriever": {"standard": HOSE}, "field": "body", "min_score": 0.6}}
    reranker["text_similarity_reranker"]["inference_text"] = "hose"
    result = await ran(body={"retriever": reranker})
    assert [hit["rank"] for hit in result["hits"]] == [None, None, 1, 2]


async def test_a_page_after_the_first_keeps_its_ranks() -> None:
    result = await ran("/docs/_search?from=2&size=2", body={**HOSE, "sort": ["_doc"]})
    assert [hit["engine_rank"] for hit in result["hits"]] == [1, 2]
    assert [hit["rank"] for hit in result["hits"]] == [1, 2]
    assert (result["outcome"], result["why"]) == ("skipped", "sort")


async def test_a_response_that_cannot_be_reranked_is_shown_in_the_engines_order() -> None:
    body = search_response(("1", 9.0, "a"), ("2", 8.0, "b"), timed_out=True)
    result = await ran(says={"/docs/_search": FakeResponse(body)})
    assert [hit["id"] for hit in result["hits"]] == ["1", "2"]
    assert result["outcome"] in {"skipped", "reranked"}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"hits":1}', b'{"hits":{"hits":[1]}}'])
async def test_a_response_without_hits_is_shown_without_hits(body: bytes) -> None:
    result = await ran(says={"/docs/_search": FakeResponse(body)})
    assert (result["status"], result["hits"], result["outcome"], result["why"]) == (200, [], "skipped", "engine_answer")


def test_long_strings_are_cut() -> None:
    assert search_run._cut({"a": ["x" * 2000, "y" * 2001, 1.5, None]}) == {
        "a": ["x" * 2000, "y" * 2000 + "…", 1.5, None]
    }
    nested: Any = "deep"
    for _ in range(100):
        nested = [nested]
    assert "deep" not in repr(search_run._cut(nested))
