"""A rule with `min_probability`, at every endpoint that carries searches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from es_rerank.testing import FakeResponse

from .engine import BEST, HOSE, found, ids, running
from .test_async_search import ENGINE_ID
from .test_multi_search import NDJSON, lines
from .test_rank_eval import asked, evaluated

# The model gives `3` and `4` a probability above 0.7, and the other hits one of 0.5 or less.
HIGH = BEST[:2]
SHOWN = {"drop": HIGH, "last": BEST}


@pytest.fixture(params=SHOWN)
def rule(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the settings with a rule, and the ids that searches show."""
    below: str = request.param
    text = f"index: docs\nmin_probability: 0.7\nbelow_min_probability: {below}\n"
    (tmp_path / "docs.yaml").write_text(text)
    return {"mappings": tmp_path}, SHOWN[below]


Chosen = tuple[dict[str, Any], list[str]]


async def test_a_search(rule: Chosen) -> None:
    settings, shown = rule
    async with running(**settings) as (proxy, _, _):
        got = await proxy.search("hose", "/docs/_search")
        pages = [await proxy.search("hose", "/docs/_search", size=1, **{"from": at}) for at in range(4)]
    assert got.ids == shown
    assert [key for page in pages for key in page.ids] == shown
    assert got.json["hits"]["total"]["value"] == 4
    assert got.headers["X-Rerank"].startswith("reranked; window=4")


async def test_a_search_template(rule: Chosen) -> None:
    settings, shown = rule
    async with running(**settings) as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_search/template", {"id": "t", "params": {"q": "hose"}})
    assert got.ids == shown


async def test_many_searches(rule: Chosen) -> None:
    settings, shown = rule
    body = lines(({}, {**HOSE, "size": 2}), ({}, {**HOSE, "size": 2, "from": 2}))
    async with running(**settings) as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_msearch", body, NDJSON)
    assert [ids(one) for one in got.json["responses"]] == [shown[:2], shown[2:]]


async def test_an_asynchronous_search(rule: Chosen) -> None:
    settings, shown = rule
    inner = json.loads(found({"size": 50}))
    whole = {"id": ENGINE_ID, "is_partial": False, "is_running": False, "response": inner}
    says = {"/docs/_async_search": FakeResponse(json.dumps(whole).encode())}
    async with running(says, **settings) as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_async_search", HOSE)
    assert ids(got.json["response"]) == shown


async def test_an_evaluation_by_the_engine(rule: Chosen) -> None:
    settings, shown = rule
    async with running({"/docs/_rank_eval": evaluated}, **settings) as (proxy, _, _):
        got = await proxy.send(
            "POST", "/docs/_rank_eval", {**asked({"request": HOSE}), "metric": {"precision": {"k": 4}}}
        )
    assert [key for _, key in got.json["details"]["r0"]] == shown
