from __future__ import annotations

import json
from typing import Any, cast

import pytest

from es_rerank.model import EngineReply, FetchPhase, FetchSpec, Outcome, OutcomeState, Plan, Search
from es_rerank.pipeline import RankedWindow
from es_rerank.search.formats.endpoints import ParsedSearch
from es_rerank.search.response.hits import read
from es_rerank.search.scoring import Ranking
from es_rerank.server.handlers.part import Part
from es_rerank.server.handlers.rank_eval import _batches, _query
from es_rerank.testing import FakeResponse, ReceivedRequest, search_response
from tests.search.builders import a_plan

from .engine import BEST, HOSE, msearch, render, running


def evaluated(seen: ReceivedRequest) -> FakeResponse:
    """Return the ids that each request can find, best first."""
    found = {}
    for one in seen.json["requests"]:
        text = json.dumps(one.get("request"))
        found[one["id"]] = sorted((text.find(f'["{key}"]'), key) for key in BEST if f'["{key}"]' in text)
    return FakeResponse(json.dumps({"metric_score": 1.50, "details": found}).encode())


def asked(*requests: Any, **more: Any) -> dict[str, Any]:
    rows = [{"id": f"r{at}", "ratings": [], **one} for at, one in enumerate(requests)]
    return {"requests": rows, "metric": {"precision": {"k": 3}}, **more}


SORTED = {**HOSE, "sort": "date"}


async def test_the_engine_rates_the_order_that_people_see() -> None:
    async with running({"/docs/_rank_eval": evaluated}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_rank_eval", asked({"request": HOSE}, {"request": SORTED}))
    details = {name: [key for _, key in found] for name, found in got.json["details"].items()}
    assert details == {"r0": BEST[:3], "r1": []}
    functions = engine.seen[-1].json["requests"][0]["request"]["query"]["function_score"]["functions"]
    assert all(1.0 < function["weight"] < 2.0 for function in functions)
    assert engine.seen[-1].json["requests"][1]["request"] == SORTED
    assert engine.targets() == ["/docs/_msearch", "/docs/_rank_eval"]
    (header, sent) = (json.loads(line) for line in engine.seen[1].body.splitlines())
    assert (header, sent) == ({}, {**HOSE, "from": 0, "size": 50})
    assert got.headers["X-Rerank"].startswith("reranked; window=4")
    assert got.headers["X-Rerank"].endswith(", skipped; why=sort")
    assert b"1.5" in got.body


@pytest.mark.parametrize("other", ["format=yaml", "format=CBOR", "accept"])
async def test_a_response_in_another_format_is_left_to_the_engine(other: str) -> None:
    headers = [("Accept", "application/yaml")] if other == "accept" else []
    query_string = "" if other == "accept" else f"?{other}"
    yaml = FakeResponse(b"---\nmetric_score: 1.0\n", headers=[("Content-Type", "application/yaml")])
    async with running({"/docs/_rank_eval": yaml}) as (proxy, engine, reranker):
        got = await proxy.send("POST", f"/docs/_rank_eval{query_string}", asked({"request": HOSE}), headers)
    assert (got.body, got.headers["Content-Type"]) == (yaml.body, "application/yaml")
    assert got.headers["X-Rerank"] == "skipped; why=format"
    assert [received.target for received in engine.seen] == [f"/docs/_rank_eval{query_string}"]
    assert engine.seen[0].json == asked({"request": HOSE})
    assert reranker.seen == []


async def test_the_searches_have_the_index_options_of_the_url_and_nothing_else_of_it() -> None:
    options = "ignore_unavailable=true&search_type=dfs_query_then_fetch"
    async with running({"/docs/_rank_eval": evaluated}) as (proxy, engine, _):
        target = f"/docs/_rank_eval?{options}&pretty&filter_path=metric_score"
        got = await proxy.send("POST", target, asked({"request": HOSE}))
    assert got.json == {"metric_score": 1.5}
    assert engine.targets() == [
        f"/docs/_msearch?{options}",
        f"/docs/_rank_eval?{options}&pretty&filter_path=**",
    ]


@pytest.mark.parametrize(
    ("sizes", "batches"),
    [
        ([], []),
        ([6000, 4000, 50], [[6000, 4000], [50]]),
        ([6000, 4001], [[6000], [4001]]),
        ([50, 20_000, 50], [[50], [20_000], [50]]),
        ([50] * 201, [[50] * 200, [50]]),
        ([5000] * 5, [[5000] * 2, [5000] * 2, [5000]]),
        ([5000, 5001, 5000], [[5000], [5001], [5000]]),
    ],
)
def test_at_most_ten_thousand_hits_are_requested_at_once(sizes: list[int], batches: list[list[int]]) -> None:
    plans = [a_plan(fetch=FetchSpec(FetchPhase.WINDOW, 0, size)) for size in sizes]
    made = _batches([Part(ParsedSearch("docs", {}, b""), b"", Search("docs"), plan) for plan in plans])
    assert [[part.plan.fetch.size for part in batch if isinstance(part.plan, Plan)] for batch in made] == batches


async def test_a_search_that_fails_is_evaluated_as_the_client_wrote_it() -> None:
    missing = {"error": {"type": "index_not_found_exception"}, "status": 404}

    def failing(received: ReceivedRequest) -> FakeResponse:
        whole = json.loads(cast("bytes", msearch(received).body))
        whole["responses"][0] = missing
        return FakeResponse(json.dumps(whole).encode())

    async with running({"/docs/_rank_eval": evaluated, "/docs/_msearch": failing}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_rank_eval", asked({"request": HOSE}, {"request": HOSE}))
    assert engine.seen[-1].json["requests"][0]["request"] == HOSE
    assert [key for _, key in got.json["details"]["r1"]] == BEST[:3]
    first, second = got.headers["X-Rerank"].split(", ")
    assert (first, second.partition(";")[0]) == ("skipped; why=engine_error", "reranked")


async def test_an_engine_that_refuses_the_reranked_evaluation_gets_the_clients_own() -> None:
    def refusing(received: ReceivedRequest) -> FakeResponse:
        return evaluated(received) if b"function_score" not in received.body else FakeResponse(b"{}", status=400)

    async with running({"/docs/_rank_eval": refusing}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_rank_eval", asked({"request": HOSE}))
    assert (got.status, got.headers["X-Rerank"]) == (200, "skipped; why=engine_error")
    assert engine.seen[-1].json == asked({"request": HOSE})


async def test_templates_are_rendered_first() -> None:
    template = {"id": "t", "template": {"source": {"query": {"match": {"body": "{{q}}"}}}}}
    body = asked({"template_id": "t", "params": {"q": "hose"}}, templates=[template])
    async with running({"/docs/_rank_eval": evaluated, "/_render/template": render}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_rank_eval", body)
    assert [key for _, key in got.json["details"]["r0"]] == BEST[:3]
    assert "template_id" not in engine.seen[-1].json["requests"][0]


async def test_without_a_planned_search_the_request_reaches_the_engine_unchanged() -> None:
    async with running({"/docs/_rank_eval": evaluated}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_rank_eval", asked({"request": SORTED}))
        broken = await proxy.send("POST", "/docs/_rank_eval", b"{}", [("Content-Type", "application/json")])
    assert engine.seen[0].json == asked({"request": SORTED})
    assert got.headers["X-Rerank"] == "skipped; why=sort"
    assert broken.headers["X-Rerank"] == "skipped; why=unreadable"


def test_a_hit_that_keeps_the_engines_score_is_evaluated_with_it() -> None:
    body = search_response(("a", 3.0, "x"), ("b", 2.0, "y"), ("c", 1.0, "z"))
    ranking = Ranking((0, 2, 1), (None, 1.75, 1.5))
    window = RankedWindow(a_plan(size=3), EngineReply(), read(body), ranking, Outcome(OutcomeState.RERANKED))
    functions = json.loads(_query(window))["query"]["function_score"]["functions"]
    assert [one["weight"] for one in functions] == [3.0, 1.75, 1.5]
    assert [one["filter"]["bool"]["filter"][1]["ids"]["values"] for one in functions] == [["a"], ["c"], ["b"]]


async def test_after_a_failure_of_some_searches_the_others_are_still_reranked() -> None:
    """Two searches for 6,000 hits each are sent one after another."""
    sent: list[bytes] = []

    def failing_first(received: ReceivedRequest) -> FakeResponse:
        sent.append(received.body)
        return FakeResponse(b"{}", status=503) if len(sent) == 1 else msearch(received)

    says = {"/docs/_rank_eval": evaluated, "/docs/_msearch": failing_first}
    body = {**asked({"request": HOSE}, {"request": HOSE}), "metric": {"precision": {"k": 6000}}}
    async with running(says) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_rank_eval", body)
    first, second = got.headers["X-Rerank"].split(", ")
    assert (first, second.partition(";")[0]) == ("skipped; why=engine_error", "reranked")
    requests = engine.seen[-1].json["requests"]
    assert [requests[0]["request"], "function_score" in requests[1]["request"]["query"]] == [HOSE, True]
    assert len(sent) == 2
