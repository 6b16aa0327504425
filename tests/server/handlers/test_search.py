from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from es_rerank.testing import FakeResponse, ReceivedRequest, search_response

from .engine import BEST, HITS, HOSE, ids, page_ids, running, search


async def test_a_search_template_is_rendered_and_then_searched() -> None:
    async with running() as (proxy, engine, reranker):
        got = await proxy.send(
            "POST", "/docs/_search/template?typed_keys=true", {"id": "t", "params": {"q": "mend it"}}
        )
    assert got.ids == BEST
    assert engine.targets() == ["/_render/template", "/docs/_search/template?typed_keys=true"]
    assert engine.seen[-1].json["params"] == {
        "search": '{"query":{"match":{"body":"mend it"}},"n":1.50,"from":0,"size":50}'
    }
    assert reranker.seen[0].json["text_1"] == "mend it"


@pytest.mark.parametrize("body", [b'{"id":"unknown"}', b"no json", b"[]", b""])
async def test_a_template_that_cannot_be_rendered_reaches_the_engine_unchanged(body: bytes) -> None:
    refused = FakeResponse(b'{"error":"x"}', status=400)
    says = {"/docs/_search/template": refused, "/_render/template": FakeResponse(b"{}", status=400)}
    async with running(says) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_search/template", body, [("Content-Type", "application/json")])
    assert (got.status, got.body, got.headers["X-Rerank"]) == (400, refused.body, "skipped; why=unreadable")
    assert (engine.seen[-1].target, engine.seen[-1].body) == ("/docs/_search/template", body)


async def test_a_template_of_a_sorted_search_reaches_the_engine_unchanged() -> None:
    rendered = FakeResponse(b'{"template_output":{"sort":"date","query":{"match":{"body":"x"}}}}')
    async with running({"/_render/template": rendered}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_search/template", {"id": "t"})
    assert (got.headers["X-Rerank"], engine.targets()[-1]) == ("skipped; why=sort", "/docs/_search/template")


@pytest.mark.parametrize(
    ("filter_path", "expected"),
    [
        ("hits.hits._id", {"hits": {"hits": [{"_id": "3"}]}}),
        ("hits.total.value,**._id", {"hits": {"total": {"value": 4}, "hits": [{"_id": "3"}]}}),
        ("-hits.hits._*,-hits.max_score,-took", {"hits": {"total": {"value": 4, "relation": "eq"}}}),
    ],
)
async def test_filter_path_cuts_the_response_of_the_client(filter_path: str, expected: Any) -> None:
    async with running() as (proxy, engine, _):
        got = await proxy.search("hose", f"/docs/_search?filter_path={filter_path}", size=1)
    assert got.json == expected
    neutral = "-es_rerank.nothing" if filter_path.startswith("-") else "**"
    assert engine.targets() == [f"/docs/_search?from=0&size=50&filter_path={neutral}"]


@pytest.mark.parametrize("filter_path", ["hits.total", "-hits.hits", "took,hits.max_score", "-hits", "aggregations"])
async def test_a_response_without_hits_needs_no_model(filter_path: str) -> None:
    async with running() as (proxy, engine, reranker):
        got = await proxy.search("hose", f"/docs/_search?filter_path={filter_path}", size=1)
        line = b'{"index":"docs"}\n{"query":{"match":{"body":"hose"}}}\n'
        both = ",".join(f"-responses.{path}" for path in ("hits.hits", "took"))
        many = await proxy.send(
            "POST", f"/_msearch?filter_path={both}", line * 2, [("Content-Type", "application/json")]
        )
    assert got.headers["X-Rerank"] == "skipped; why=filter_path"
    assert many.headers["X-Rerank"] == "skipped; why=filter_path, skipped; why=filter_path"
    assert (engine.targets()[0], reranker.seen) == (f"/docs/_search?filter_path={filter_path}", [])


async def test_a_header_may_have_the_query_text_for_the_model() -> None:
    async with running() as (proxy, _, reranker):
        header = "wie flicke ich einen Schlauch? é".encode().decode("utf-8", "surrogateescape")
        got = await proxy.search("hose", headers=[("X-Rerank-Query", header)])
        without_words = await proxy.send("POST", "/docs/_search", {}, [("X-Rerank-Query", "mend")])
    assert (got.ids, without_words.ids) == (BEST, BEST)
    assert [seen.json["text_1"] for seen in reranker.seen] == ["wie flicke ich einen Schlauch? é", "mend"]


async def test_a_native_reranker_is_replaced() -> None:
    asked = {
        "retriever": {"standard": HOSE},
        "field": "title",
        "inference_id": "mine",
        "inference_text": "mend it",
        "rank_window_size": 3,
    }
    async with running() as (proxy, engine, reranker):
        got = await proxy.send("POST", "/docs/_search", {"retriever": {"text_similarity_reranker": asked}, "size": 3})
    assert (ids(got.json), reranker.seen) == (["1", "2", "3"], [])
    assert got.headers["X-Rerank"] == "skipped; why=no_passages"
    assert json.loads(engine.seen[-1].body) == {"size": 3, **HOSE}
    assert engine.targets() == ["/docs/_search?from=0&size=3"]


async def test_hits_below_min_score_are_left_out() -> None:
    asked = {"retriever": {"standard": HOSE}, "field": "body", "inference_text": "mend it", "min_score": 0.7}
    async with running() as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_search", {"retriever": {"text_similarity_reranker": asked}})
    assert got.ids == ["3", "4"]


MARKED = {**HOSE, "size": 2, "highlight": {"fields": {"body": {}}}}


async def test_a_search_in_two_phases_gets_its_page_from_the_fetch_phase() -> None:
    async with running() as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_search", MARKED)
    assert got.ids == BEST[:2]
    query, fetch = (received.json for received in engine.seen[1:])
    assert ("highlight" in query, query["_source"]) == (False, ["title", "body"])
    assert (fetch["highlight"], sorted(page_ids(fetch))) == (MARKED["highlight"], sorted(BEST[:2]))


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (FakeResponse(b'{"error":{}}', status=503), "engine_error"),
        (FakeResponse(b"no json"), "engine_answer"),
        (FakeResponse(search_response(*HITS[:1])), "engine_answer"),
        (FakeResponse(search_response(*HITS)), "engine_answer"),
    ],
    ids=["error", "no response", "a hit missing", "hits too many"],
)
async def test_if_the_fetch_phase_fails_the_clients_own_request_is_sent(failure: FakeResponse, why: str) -> None:
    def failing(received: ReceivedRequest) -> FakeResponse:
        return failure if b"post_filter" in received.body else search(received)

    async with running({"/docs/_search": failing}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_search", MARKED)
    assert (got.status, got.ids) == (200, ["1", "2"])
    assert got.headers["X-Rerank"] == f"skipped; why={why}"
    assert len(engine.targets()) == 3
    assert engine.seen[-1].json == MARKED


async def test_an_engine_that_is_gone_in_the_fetch_phase_is_a_bad_gateway() -> None:
    def failing(received: ReceivedRequest) -> FakeResponse:
        return FakeResponse([b"{"], cut_off=True) if b"post_filter" in received.body else search(received)

    async with running({"/docs/_search": failing}) as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_search", MARKED)
    assert (got.status, got.headers["X-Rerank"]) == (502, "skipped; why=engine_error")


NAMED = {"retriever": {"text_similarity_reranker": {"retriever": {"standard": HOSE}, "inference_text": "mend it"}}}


@pytest.mark.parametrize(("rendered", "is_plain"), [({**NAMED, "size": 0}, True), ({**HOSE, "size": 0}, False)])
async def test_a_skipped_template_is_sent_without_a_reranker_that_it_names(
    rendered: dict[str, Any], is_plain: bool
) -> None:
    output = FakeResponse(json.dumps({"template_output": rendered}).encode())
    async with running({"/_render/template": output}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_search/template", {"id": "t"})
    assert got.headers["X-Rerank"] == "skipped; why=size_zero"
    assert [seen.target for seen in engine.seen] == ["/_render/template", "/docs/_search/template"]
    sent = engine.seen[-1].json
    assert sent == ({"source": "{{{search}}}", "params": sent["params"]} if is_plain else {"id": "t"})
    if is_plain:
        assert json.loads(sent["params"]["search"]) == {**HOSE, "size": 0}


async def test_the_hits_of_a_search_are_logged(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    async with running(ubi_log=log) as (proxy, _, _):
        await proxy.search(size=2)
        await proxy.search(size=2, sort="date")
    (record,) = map(json.loads, log.read_text().splitlines())
    assert (record["user_query"], record["query_response_hit_ids"]) == ("hose", BEST[:2])


def limited(received: ReceivedRequest) -> FakeResponse:
    """Return at most three hits."""
    reason = "Result window is too large, from + size must be less than or equal to: [3] but was [50]."
    error = {"error": {"root_cause": [{"type": "illegal_argument_exception", "reason": reason}]}, "status": 400}
    if "size=50" in received.target:
        return FakeResponse(json.dumps(error).encode(), status=400)
    return search(received)


async def test_after_an_engine_has_refused_a_window_the_next_one_is_smaller() -> None:
    async with running({"/docs/_search": limited}) as (proxy, engine, _):
        got = [await proxy.search(size=2) for _ in range(2)]
    assert got[0].headers["X-Rerank"] == "skipped; why=engine_error"
    assert got[1].headers["X-Rerank"].startswith("reranked; window=3;")
    assert engine.targets()[-1] == "/docs/_search?from=0&size=3"


async def test_a_skipped_search_is_sent_without_a_reranker_that_it_names_and_not_as_a_template() -> None:
    async with running() as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_search", {**NAMED, "size": 0})
    assert got.headers["X-Rerank"] == "skipped; why=size_zero"
    assert engine.seen[-1].json == {**HOSE, "size": 0}
