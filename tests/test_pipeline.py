from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import Failed, IndexInfo, Plan, PolicySpec, Rule, Scored, ScoreRequest, Search, Skip, Why
from es_rerank.pipeline import Effects, Reply, decide, page, run
from es_rerank.search.engine_request.widen import widen
from es_rerank.search.scoring import POLICIES

INFO = IndexInfo(("docs",), {"title": "text", "body": "text"})
RULE = Rule("docs", window=5)
CASES = Path(__file__).parent / "cases" / "searches"


@dataclass
class World:
    """The effects of one search, fed by data: `hits` the engine's (texts and scores), `model` what is said of each."""

    hits: Sequence[tuple[str, float]] = (("a", 3.0), ("b", 2.0), ("c", 1.0))
    model: dict[str, float | None] | Failed = field(default_factory=dict)
    rule: Rule = RULE
    about: tuple[Rule, IndexInfo] | Skip | None = None
    answer: bytes | None = b""
    asks: list[ScoreRequest] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    gone: AbstractSet[str] = frozenset()
    splits: bool = True

    async def _about(self, _search: Search) -> tuple[Rule, IndexInfo] | Skip:
        return self.about or (self.rule, INFO)

    async def _fetch(self, plan: Plan) -> bytes | None:
        self.plans.append(plan)
        if self.answer != b"":
            return self.answer
        rows = [
            {"_index": "docs", "_id": str(at), "_score": score, "_source": {"body": text}}
            for at, (text, score) in enumerate(self.hits)
            if plan.only is None or (("docs", str(at)) in plan.only and str(at) not in self.gone)
        ]
        most = max((row["_score"] for row in rows), default=None)
        page = rows[plan.fetch_from : plan.fetch_from + plan.fetch_size]
        return json.dumps({"hits": {"total": len(rows), "max_score": most, "hits": page}}).encode()

    async def _score(self, ask: ScoreRequest) -> Scored | Failed:
        self.asks.append(ask)
        if isinstance(self.model, Failed):
            return self.model
        return Scored([None if one is None else self.model.get(one, 0.5) for one in ask.documents], 1, "fake")

    def effects(self) -> Effects:
        made = Effects(self._about, self._fetch, self._score, lambda rule: rule.deadline, self.splits)
        return replace(made, fetching=lambda: 0.5)

    async def search(self, params: dict[str, str] | None = None, **body: Any) -> Reply:
        return await run(Search("docs", params or {}, {"query": {"match": {"body": "hose"}}, **body}), self.effects())


def ids(reply: Reply) -> list[str]:
    return [hit["_id"] for hit in hits(reply)]


def hits(reply: Reply) -> list[dict[str, Any]]:
    assert reply.body is not None
    found: list[dict[str, Any]] = json.loads(reply.body)["hits"]["hits"]
    return found


async def test_a_search_comes_back_in_the_models_order() -> None:
    world = World(model={"a": 0.1, "b": 0.2, "c": 0.9})
    reply = await world.search(size=2)
    assert ids(reply) == ["2", "1"]
    assert reply.outcome.header == "reranked; window=3; cached=1; model=fake"
    assert reply.rule == RULE
    assert world.asks == [ScoreRequest("hose", ["a", "b", "c"], RULE, RULE.deadline)]


@pytest.mark.parametrize(("body", "left"), [({}, 3.0), ({"highlight": {"fields": {"body": {}}}}, 2.5)])
async def test_the_time_for_a_second_fetch_is_kept_back(body: dict[str, Any], left: float) -> None:
    world = World()
    await world.search(size=2, **body)
    assert (len(world.plans), world.asks[0].deadline) == (1 + bool(body), left)


async def test_the_model_reads_the_window_and_no_more() -> None:
    world = World(hits=[(f"t{at}", 9.0 - at) for at in range(8)])
    await world.search(size=8)
    assert world.asks[0].documents == ["t0", "t1", "t2", "t3", "t4"]


@pytest.mark.parametrize(
    ("world", "body", "header"),
    [
        (World(), {"sort": "date"}, "skipped; why=sort"),
        (World(about=Skip(Why.NO_RULE)), {}, "skipped; why=no_rule"),
        (World(about=(RULE, IndexInfo((), {}))), {}, "skipped; why=no_text_fields"),
        (World(answer=None), {}, "skipped; why=engine_error"),
        (World(answer=b"{}"), {}, "skipped; why=engine_answer"),
    ],
)
async def test_what_is_left_alone_goes_as_it_came(world: World, body: dict[str, Any], header: str) -> None:
    reply = await world.search(**body)
    assert (reply.body, reply.outcome.header) == (None, header)


@pytest.mark.parametrize(
    ("world", "header"),
    [
        (World(model=Failed(Why.DEADLINE)), "failed; why=deadline"),
        (World(hits=[("", 2.0), ("", 1.0)]), "skipped; why=no_passages"),
        (World(hits=[("a", 2.0)]), "skipped; why=few_hits"),
        (World(hits=[]), "skipped; why=few_hits"),
    ],
)
async def test_without_scores_the_engines_page_stands(world: World, header: str) -> None:
    reply = await world.search(**{"from": 1, "size": 1})
    assert reply.outcome.header == header
    assert [(hit["_id"], hit["_score"]) for hit in hits(reply)] == [
        (str(at), score) for at, (_, score) in list(enumerate(world.hits))[1:2]
    ]


async def test_hits_without_scores_are_no_relevance_search() -> None:
    rows = b'{"hits":{"hits":[{"_id":"1","_score":null},{"_id":"2","_score":null}]}}'
    reply = await World(answer=rows).search(size=1)
    assert (ids(reply), reply.outcome.header) == (["1"], "skipped; why=engine_answer")


async def test_a_page_beyond_the_window_costs_no_model() -> None:
    world = World(hits=[("x", 90.0 - 10 * at) for at in range(8)])
    reply = await world.search(**{"from": 6, "size": 5})
    assert (ids(reply), world.asks) == (["6", "7"], [])
    assert reply.outcome.header == "skipped; why=beyond_window"
    assert [hit["_score"] for hit in hits(reply)] == [0.75, pytest.approx(2 / 3)]


WORLDS = st.builds(
    World,
    hits=st.lists(st.sampled_from([("", 0.0), ("a", 1.0), ("b", 2.0), ("c", 30.0)]), max_size=14).map(
        lambda rows: sorted(rows, key=lambda row: -row[1])
    ),
    model=st.fixed_dictionaries({name: st.floats(0, 1) for name in ("a", "b", "c")}),
    rule=st.builds(
        lambda window, policy: replace(RULE, window=window, policy=policy),
        st.integers(2, 10),
        st.sampled_from([*(PolicySpec(name) for name in POLICIES), PolicySpec("linear", 0.0), PolicySpec("rrf", 0.0)]),
    ),
)


@given(WORLDS, st.integers(1, 16))
def test_all_pages_together_are_one_permutation_with_falling_scores(world: World, size: int) -> None:
    async def pages() -> list[dict[str, Any]]:
        starts = range(0, len(world.hits) + size, size)
        return [hit for start in starts for hit in hits(await world.search(**{"from": start, "size": size}))]

    found = asyncio.run(pages())
    assert sorted(int(hit["_id"]) for hit in found) == list(range(len(world.hits)))
    scores = [hit["_score"] for hit in found]
    assert all(math.isfinite(score) and score >= 0 for score in scores)
    assert scores == sorted(scores, reverse=True)
    together = asyncio.run(world.search(size=len(world.hits) + 1))
    assert hits(together) == found


@given(WORLDS, st.integers(0, 16), st.integers(0, 16), st.integers(0, 16))
def test_no_hit_is_on_two_pages(world: World, start: int, size: int, gap: int) -> None:
    async def two() -> tuple[list[str], list[str]]:
        first = await world.search(**{"from": start, "size": size + 1})
        second = await world.search(**{"from": start + size + 1 + gap, "size": 3})
        return ids(first), ids(second)

    first, second = asyncio.run(two())
    assert not set(first) & set(second)


async def test_pinned_hits_are_not_read_and_stay_first() -> None:
    world = World(hits=[("pinned", 1.7014122e38), ("a", 3.0), ("b", 2.0)], model={"b": 0.9})
    reply = await world.search(query={"pinned": {"ids": ["0"], "organic": {"match": {"body": "hose"}}}})
    assert ids(reply) == ["0", "2", "1"]
    assert world.asks[0].documents == [None, "a", "b"]
    assert [hit["_score"] for hit in hits(reply)] == [1.7014122e38, 1.9, 1.5]


async def test_the_engines_order_cut_to_the_page() -> None:
    world = World()
    plan = await decide(Search("docs", {}, {"query": {"match": {"body": "hose"}}, "size": 2}), world.effects())
    assert isinstance(plan, Plan)
    answer = await world.effects().fetch(plan)
    assert answer is not None
    reply = page(plan, answer, Why.PARTIAL)
    assert (ids(reply), reply.outcome.header) == (["0", "1"], "skipped; why=partial")
    assert page(plan, b"[]", Why.PARTIAL).body is None


@given(WORLDS)
def test_equal_probabilities_keep_the_engines_order(world: World) -> None:
    world = replace(world, hits=[(text or "a", score) for text, score in world.hits], model={})
    assert ids(asyncio.run(world.search(size=20))) == [str(at) for at in range(len(world.hits))]


@pytest.mark.parametrize("folder", sorted(CASES.iterdir()), ids=lambda folder: folder.name)
async def test_whole_searches(folder: Path, update: bool) -> None:
    """A folder holds what was asked (`case.yaml`), the engine's answer, and what the client gets, byte for byte."""
    case = yaml.safe_load((folder / "case.yaml").read_text(encoding="utf-8"))
    engine = (folder / "engine.json").read_bytes()
    world = World(answer=engine, model=case["model"], rule=replace(RULE, **case.get("rule", {})), splits=False)
    reply = await world.search(case.get("params"), **case["body"])
    if update:
        (folder / "client.json").write_bytes(reply.body or b"")
    assert reply.body == (folder / "client.json").read_bytes()
    assert reply.outcome.header == case["outcome"]
    assert widen("", Search("docs", raw=json.dumps(case["body"]).encode()), world.plans[0])[0] == case["sent"]


class TestAPageInFull:
    """A search that asks for highlights: a light window first, then the page."""

    BODY: ClassVar[dict[str, Any]] = {"highlight": {"fields": {"body": {}}}, "size": 2}
    MODEL: ClassVar[dict[str, float | None]] = {"a": 0.1, "b": 0.2, "c": 0.9}

    async def test_costly_parts_are_asked_for_the_page_alone(self) -> None:
        world = World(model=self.MODEL)
        reply = await world.search(**self.BODY)
        first, second = world.plans
        assert ids(reply) == ["2", "1"]
        assert (first.light, first.only, first.fetch_size) == (True, None, 5)
        assert (second.light, second.only, second.fetch_from, second.fetch_size) == (
            False,
            (("docs", "2"), ("docs", "1")),
            0,
            2,
        )
        assert [hit["_score"] for hit in hits(reply)] == [1.9, 1.2]

    async def test_totals_are_those_of_the_window(self) -> None:
        world = World(model=self.MODEL)
        reply = await world.search(**self.BODY)
        assert reply.body is not None
        assert json.loads(reply.body)["hits"]["total"] == 3
        assert json.loads(reply.body)["hits"]["max_score"] == 1.9

    async def test_a_fault_of_the_model_gives_the_engines_page(self) -> None:
        world = World(model=Failed(Why.DEADLINE))
        reply = await world.search(**{**self.BODY, "from": 1, "size": 1})
        assert ids(reply) == ["1"]
        assert reply.outcome.header == "failed; why=deadline"
        assert reply.body is not None
        assert json.loads(reply.body)["hits"]["max_score"] == 3.0

    async def test_an_index_that_changed_in_between_gives_the_engines_answer(self) -> None:
        world = World(model=self.MODEL, gone={"2"})
        reply = await world.search(**self.BODY)
        assert reply.body is None
        assert reply.outcome.why is Why.ENGINE_ANSWER

    @pytest.mark.parametrize("start", [2, 4])
    async def test_a_page_behind_the_last_hit_is_empty_or_short(self, start: int) -> None:
        world = World(model=self.MODEL, rule=replace(RULE, window=20))
        reply = await world.search(**self.BODY, **{"from": start})
        assert ids(reply) == ["0"][: 3 - start if start < 3 else 0]
