from __future__ import annotations

import json
from typing import Any

from es_rerank.testing import FakeResponse, ReceivedRequest

from .engine import BEST, HOSE, render, running


def evaluated(seen: ReceivedRequest) -> FakeResponse:
    """Give back what was asked: the ids each request can find, best first."""
    found = {}
    for one in seen.json["requests"]:
        text = json.dumps(one.get("request"))
        found[one["id"]] = sorted((text.find(f'["{key}"]'), key) for key in BEST if f'["{key}"]' in text)
    return FakeResponse(json.dumps({"metric_score": 1.50, "details": found}).encode())


def asked(*requests: Any, **more: Any) -> dict[str, Any]:
    rows = [{"id": f"r{at}", "ratings": [], **one} for at, one in enumerate(requests)]
    return {"requests": rows, "metric": {"precision": {"k": 3}}, **more}


SORTED = {**HOSE, "sort": "date"}


async def test_the_engine_rates_what_a_person_would_see() -> None:
    async with running({"/docs/_rank_eval": evaluated}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_rank_eval", asked({"request": HOSE}, {"request": SORTED}))
    details = {name: [key for _, key in found] for name, found in got.json["details"].items()}
    assert details == {"r0": BEST[:3], "r1": []}
    assert engine.seen[-1].json["requests"][1]["request"] == SORTED
    assert engine.targets()[0] == "/docs/_search?from=0&size=50"
    assert got.headers["X-Rerank"].startswith("reranked; window=4")
    assert got.headers["X-Rerank"].endswith(", skipped; why=sort")
    assert b"1.5" in got.body


async def test_templates_are_rendered_first() -> None:
    template = {"id": "t", "template": {"source": {"query": {"match": {"body": "{{q}}"}}}}}
    body = asked({"template_id": "t", "params": {"q": "hose"}}, templates=[template])
    async with running({"/docs/_rank_eval": evaluated, "/_render/template": render}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_rank_eval", body)
    assert [key for _, key in got.json["details"]["r0"]] == BEST[:3]
    assert "template_id" not in engine.seen[-1].json["requests"][0]


async def test_without_a_planned_search_the_request_goes_as_it_came() -> None:
    async with running({"/docs/_rank_eval": evaluated}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_rank_eval", asked({"request": SORTED}))
        broken = await proxy.send("POST", "/docs/_rank_eval", b"{}", [("Content-Type", "application/json")])
    assert engine.seen[0].json == asked({"request": SORTED})
    assert got.headers["X-Rerank"] == "skipped; why=sort"
    assert broken.headers["X-Rerank"] == "skipped; why=unreadable"
