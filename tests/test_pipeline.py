from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import (
    CallOptions,
    EngineReply,
    Failed,
    FetchPhase,
    FetchSpec,
    HitKey,
    IndexInfo,
    LowHits,
    Mappings,
    MinProbability,
    Plan,
    PolicySpec,
    Protection,
    RerankRequest,
    Rule,
    RuleMode,
    Scored,
    ScoreRequest,
    Search,
    Skip,
    Why,
    skipped,
)
from es_rerank.pipeline import (
    Ports,
    RankedWindow,
    SearchResult,
    decide,
    engine_order,
    fetch_phase,
    measure,
    rank_window,
    run,
)
from es_rerank.search.order_change import Change
from es_rerank.search.response.hits import read
from es_rerank.search.scoring import PINNED, POLICIES, Ranking
from es_rerank.server.responses import outcome_header
from tests.search.builders import a_plan, a_search

INFO = IndexInfo(("docs",), {"title": "text", "body": "text"})
MOVED = IndexInfo(("before",), {"title": "text", "body": "text"})
RULE = Rule("docs", window=5)
HOSE = {"match": {"body": "hose"}}
HIGHLIGHT: dict[str, Any] = {"highlight": {"fields": {"body": {}}}}
ENGINE_SECONDS = 0.5


def a_reply(body: bytes | None) -> EngineReply:
    """Return a reply that took the engine half a second."""
    return EngineReply(200 if body is not None else 400, body=body, started=1.0, ended=1.0 + ENGINE_SECONDS)


class _Mappings(Mappings):
    """Takes what the pipeline has learnt."""

    def __init__(self, world: World) -> None:
        self._world = world

    def forget(self, info: IndexInfo) -> bool:
        return info is MOVED and self._world.stale

    def learn_source(self, info: IndexInfo, *, has_source: bool) -> None:
        self._world.learnt.append((info, has_source))


@dataclass
class World:
    """The ports of one search, fed by data.

    Attributes:
        hits: Text and score of each of the engine's hits.
        model: The probability of each text.
        rule: The rule of the index.
        resolved: What the index resolves to, if not to the rule.
        answers: The bodies of the engine's replies, one after the other; without one it answers with its hits.
        missing: Ids that are gone in the fetch phase.
        silent: Texts that the model does not score.
        options: How the search is to be handled.
        stale: Whether the mapping is older than a moment.
        learnt: What was learnt about `_source`.
        score_requests: What the model was asked.
        plans: What was fetched.
        replies: What the engine replied.

    """

    hits: Sequence[tuple[str, float]] = (("a", 3.0), ("b", 2.0), ("c", 1.0))
    model: dict[str, float | None] | Failed = field(default_factory=dict)
    rule: Rule = RULE
    resolved: tuple[Rule, IndexInfo] | Skip | None = None
    answers: Sequence[bytes | None] = ()
    missing: AbstractSet[str] = frozenset()
    silent: AbstractSet[str] = frozenset()
    options: CallOptions = field(default_factory=CallOptions)
    stale: bool = False
    learnt: list[tuple[IndexInfo, bool]] = field(default_factory=list)
    score_requests: list[ScoreRequest] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    replies: list[EngineReply] = field(default_factory=list)

    async def _resolve_index(self, _search: Search) -> tuple[Rule, IndexInfo] | Skip:
        return self.resolved or (self.rule, INFO)

    async def fetch(self, plan: Plan) -> EngineReply:
        self.plans.append(plan)
        given = self.answers[len(self.replies) :]
        self.replies.append(a_reply(given[0] if given else self._hits(plan.fetch)))
        return self.replies[-1]

    def _hits(self, fetch: FetchSpec) -> bytes:
        rows = [
            {"_index": "docs", "_id": str(number), "_score": score, "_source": {"body": text}}
            for number, (text, score) in enumerate(self.hits)
            if fetch.phase is not FetchPhase.FETCH
            or (HitKey("docs", str(number)) in fetch.only and str(number) not in self.missing)
        ]
        max_score = max((score for row in rows if isinstance(score := row["_score"], float)), default=None)
        page = rows[fetch.from_ : fetch.from_ + fetch.size]
        return json.dumps({"hits": {"total": len(rows), "max_score": max_score, "hits": page}}).encode()

    async def _score(self, request: ScoreRequest) -> Scored | Failed:
        self.score_requests.append(request)
        if isinstance(self.model, Failed):
            return self.model
        scores = [None if text in (None, *self.silent) else self.model.get(text, 0.5) for text in request.documents]
        return Scored(scores, 1, "fake")

    def ports(self) -> Ports:
        return Ports(self._resolve_index, self.fetch, self._score, _Mappings(self))

    async def search(self, params: dict[str, str] | None = None, **body: Any) -> SearchResult:
        return await run(a_search({"query": HOSE, **body}, params), self.ports(), self.options)

    async def plan(self, **body: Any) -> Plan:
        """Return the plan of a search."""
        plan = await decide(a_search({"query": HOSE, **body}), self.ports(), self.options)
        assert isinstance(plan, Plan)
        return plan

    async def window(self, plan: Plan) -> RankedWindow:
        """Return the ranked window of a plan."""
        window = await rank_window(plan, await self.fetch(plan), self.ports(), self.options)
        assert isinstance(window, RankedWindow)
        return window


def header(result: SearchResult) -> str:
    return outcome_header([result.outcome])


def ids(result: SearchResult) -> list[str]:
    return [hit["_id"] for hit in hits(result)]


def hits(result: SearchResult) -> list[dict[str, Any]]:
    assert result.body is not None
    found: list[dict[str, Any]] = json.loads(result.body)["hits"]["hits"]
    return found


async def test_a_search_without_hits_in_two_phases_needs_only_the_first() -> None:
    world = World(hits=())
    result = await world.search(**HIGHLIGHT, size=1)
    assert (header(result), len(world.plans), ids(result)) == ("skipped; why=few_hits", 1, [])


@pytest.mark.parametrize(("count", "more"), [(1, {}), (0, {"aggs": {"a": {}}}), (0, {"suggest": {"s": {}}})])
async def test_a_search_with_nothing_to_reorder_is_sent_as_it_is(count: int, more: dict[str, Any]) -> None:
    world = World(hits=[("a", 3.0)] * count)
    result = await world.search(**HIGHLIGHT, **more, size=1)
    assert (header(result), len(world.plans), result.body) == ("skipped; why=few_hits", 1, None)


async def test_a_page_after_the_last_hit_needs_no_second_phase() -> None:
    world = World(model={"a": 0.1, "b": 0.2, "c": 0.9}, rule=replace(RULE, window=20))
    result = await world.search(**HIGHLIGHT, size=3, **{"from": 5})
    assert (len(world.plans), ids(result)) == (1, [])
    assert result.body is not None
    assert json.loads(result.body)["hits"]["total"] == 3


@pytest.mark.parametrize("more", [{}, HIGHLIGHT])
async def test_a_page_with_a_hit_that_cannot_be_rewritten_is_the_engines(more: dict[str, Any]) -> None:
    world = World()
    whole = world._hits(FetchSpec(FetchPhase.WINDOW, 0, 3))
    doubled = whole.replace(b'"_score": 2.0', b'"_score": 2.0, "_score": 2.0')
    world = World(answers=[doubled, doubled], model={"a": 0.1, "b": 0.9, "c": 0.2})
    result = await world.search(size=3, **more)
    assert (header(result), result.body) == ("skipped; why=engine_answer", None)


async def test_a_search_comes_back_in_the_models_order() -> None:
    world = World(model={"a": 0.1, "b": 0.2, "c": 0.9})
    result = await world.search(size=2)
    assert ids(result) == ["2", "1"]
    assert header(result) == "reranked; window=3; cached=1; model=fake"
    assert result.rule == RULE
    assert result.reply is world.replies[0]
    assert world.score_requests == [ScoreRequest("hose", ["a", "b", "c"], RULE, RULE.deadline)]


@pytest.mark.parametrize(("body", "deadline"), [({}, 103.0), (HIGHLIGHT, 103.0 - ENGINE_SECONDS)])
async def test_the_time_of_the_fetch_phase_is_kept_free(body: dict[str, Any], deadline: float) -> None:
    world = World(options=CallOptions(arrived=100.0))
    await world.search(size=2, **body)
    assert (len(world.plans), world.score_requests[0].deadline) == (1 + bool(body), deadline)


async def test_the_model_reads_only_the_window() -> None:
    world = World(hits=[(f"t{at}", 9.0 - at) for at in range(8)])
    await world.search(size=8)
    assert world.score_requests[0].documents == ["t0", "t1", "t2", "t3", "t4"]


@pytest.mark.parametrize(
    ("world", "body", "expected"),
    [
        (World(), {"sort": "date"}, "skipped; why=sort"),
        (World(resolved=Skip(Why.NO_RULE)), {}, "skipped; why=no_rule"),
        (World(resolved=(RULE, IndexInfo((), {}))), {}, "skipped; why=no_text_fields"),
        (World(answers=[None]), {}, "skipped; why=engine_error"),
        (World(answers=[b"{}"]), {}, "skipped; why=engine_answer"),
    ],
)
async def test_a_skipped_search_has_no_body(world: World, body: dict[str, Any], expected: str) -> None:
    result = await world.search(**body)
    assert (result.body, header(result)) == (None, expected)


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (World(model=Failed(Why.DEADLINE)), "failed; why=deadline"),
        (World(hits=[("", 2.0), ("", 1.0)]), "skipped; why=no_passages"),
        (World(hits=[("a", 2.0)]), "skipped; why=few_hits"),
        (World(hits=[]), "skipped; why=few_hits"),
        (World(resolved=(RULE, MOVED), stale=True), "skipped; why=mapping"),
    ],
)
async def test_without_scores_the_page_is_the_engines(world: World, expected: str) -> None:
    result = await world.search(**{"from": 1, "size": 1})
    assert header(result) == expected
    assert [(hit["_id"], hit["_score"]) for hit in hits(result)] == [
        (str(at), score) for at, (_, score) in list(enumerate(world.hits))[1:2]
    ]


@pytest.mark.parametrize(
    ("info", "stale", "body"),
    [
        (MOVED, False, {}),
        (INFO, True, {}),
        (IndexInfo((), INFO.field_types), True, {}),
        (MOVED, True, {"pit": {"id": "x"}}),
    ],
)
async def test_hits_of_other_indices_are_reranked_if_the_mapping_is_new_or_its_indices_are_not_known(
    info: IndexInfo, stale: bool, body: dict[str, Any]
) -> None:
    result = await World(resolved=(RULE, info), stale=stale).search(**body)
    assert header(result).startswith("reranked")


async def test_hits_without_engine_scores_keep_their_order() -> None:
    rows = b'{"hits":{"hits":[{"_id":"1","_score":null},{"_id":"2","_score":null}]}}'
    result = await World(answers=[rows]).search(size=1)
    assert (ids(result), header(result)) == (["1"], "skipped; why=engine_answer")


@pytest.mark.parametrize(
    ("sampling_key", "preference", "reranked"),
    [
        ("session 1", "session 2", True),
        ("session 2", "session 1", False),
        ("session 1", "", True),
        ("session 2", "", False),
        ("", "session 1", True),
        ("", "session 2", False),
    ],
)
async def test_the_sampling_key_takes_precedence_over_the_preference(
    sampling_key: str, preference: str, *, reranked: bool
) -> None:
    rule = replace(RULE, mode=RuleMode.SAMPLE, sample_rate=0.5)
    world = World(rule=rule, options=CallOptions(sampling_key=sampling_key))
    result = await world.search({"preference": preference} if preference else None)
    assert header(result).startswith("reranked" if reranked else "skipped; why=sampled_out")


async def test_a_page_beyond_the_window_asks_no_model() -> None:
    world = World(hits=[("x", 90.0 - 10 * at) for at in range(8)])
    result = await world.search(**{"from": 6, "size": 5})
    assert (ids(result), world.score_requests) == (["6", "7"], [])
    assert header(result) == "skipped; why=beyond_window"
    assert [hit["_score"] for hit in hits(result)] == [0.75, pytest.approx(2 / 3)]


WORLDS = st.builds(
    World,
    hits=st.lists(st.sampled_from([("", 0.0), ("a", 1.0), ("b", 2.0), ("c", 30.0)]), max_size=14).map(
        lambda rows: sorted(rows, key=lambda row: -row[1])
    ),
    model=st.fixed_dictionaries({name: st.floats(0, 1) for name in ("a", "b", "c")}),
    rule=st.builds(
        lambda window, policy: replace(RULE, window=window, policy=policy),
        st.integers(2, 10),
        st.sampled_from(
            [*(PolicySpec(name) for name in POLICIES), *map(PolicySpec, ("linear", "blend", "rrf"), (0.0,) * 3)]
        ),
    ),
)


@given(WORLDS, st.integers(1, 16))
def test_all_pages_together_are_a_permutation_with_falling_scores(world: World, size: int) -> None:
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
    result = await world.search(query={"pinned": {"ids": ["0"], "organic": HOSE}})
    assert ids(result) == ["0", "2", "1"]
    assert world.score_requests[0].documents == [None, "a", "b"]
    assert [hit["_score"] for hit in hits(result)] == [1.7014122e38, 1.9, 1.5]


@pytest.mark.parametrize(
    ("found", "protect", "first"),
    [
        ((("a", 3.0), ("b", 2.5)), None, "1"),
        ((("a", 3.0), ("b", 2.5)), Protection(), "1"),
        ((("a", 4.0), ("b", 2.5)), Protection(), "0"),
        ((("a", 4.0), ("b", 2.5)), Protection(score_ratio=2), "1"),
        ((("Hose!", 3.0), ("b", 2.5)), Protection(), "0"),
        ((("Hose!", 3.0), ("b", 2.5)), Protection(margin=0.3), "1"),
        ((("Hose!", 3.0), ("b", 2.5)), None, "1"),
        ((("pinned", 2 * PINNED), ("Hose!", 3.0), ("b", 2.5)), Protection(), "0"),
        ((("pinned", 2 * PINNED), ("hose", 3.0), ("b", 2.5)), Protection(), "0"),
    ],
)
async def test_a_known_item_stays_first_if_the_rule_protects_it(
    found: Sequence[tuple[str, float]], protect: Protection | None, first: str
) -> None:
    world = World(found, model={"b": 0.8, "a": 0.4, "Hose!": 0.4, "hose": 0.4}, rule=replace(RULE, protect=protect))
    page = hits(await world.search())
    assert page[0]["_id"] == first
    scores = [hit["_score"] for hit in page]
    assert scores == sorted(scores, reverse=True)
    if len(found) == 3:
        assert [hit["_id"] for hit in page] == ["0", "1", "2"]


RULES = st.builds(
    Rule,
    name=st.just("docs"),
    window=st.integers(2, 12),
    policy=st.sampled_from([PolicySpec(name) for name in POLICIES]),
    protect=st.sampled_from((None, Protection(), Protection(margin=0.1))),
    min_probability=st.builds(
        MinProbability, st.sampled_from((0.2, 0.4, 0.6, 1.0)), st.sampled_from((LowHits.DROP, LowHits.LAST))
    ),
)
FOUND = st.tuples(st.integers(0, 9), st.none() | st.sampled_from((0.1, 0.3, 0.5, 0.9)))


@given(RULES, st.lists(FOUND, min_size=2, max_size=20), st.sampled_from(({}, HIGHLIGHT)))
def test_pages_with_a_lowest_probability_are_slices_of_one_result(
    rule: Rule, found: list[tuple[int, float | None]], more: dict[str, Any]
) -> None:
    """Whatever the size of the pages, they have the same hits in the same order, none twice, with falling scores."""
    assert rule.min_probability
    value, below = rule.min_probability.value, rule.min_probability.below
    engine = sorted((float(score) for score, _ in found), reverse=True)
    world = World(
        [(f"t{at}", score) for at, score in enumerate(engine)],
        model={f"t{at}": p for at, (_, p) in enumerate(found)},
        rule=rule,
    )
    world.silent = {f"t{at}" for at, (_, p) in enumerate(found) if p is None}

    async def read(size: int) -> list[tuple[str, float]]:
        pages = [
            await world.search(size=size, **{"from": start}, **more) for start in range(0, len(found) + size, size)
        ]
        return [(hit["_id"], hit["_score"]) for page in pages if page.body is not None for hit in hits(page)]

    whole = asyncio.run(read(len(found)))
    for size in (1, 2, 3, 7):
        assert asyncio.run(read(size)) == whole
    shown, scores = [key for key, _ in whole], [score for _, score in whole]
    assert scores == sorted(scores, reverse=True)
    low = [str(at) for at, (_, p) in enumerate(found[: rule.window]) if p is not None and p < value]
    missing = set(map(str, range(len(found)))) - set(shown)
    assert len(shown) == len(set(shown))
    assert missing <= set(low)
    if below is LowHits.LAST:
        assert not missing
        lowest = [key for key in shown if key in low and not (rule.protect and key == shown[0])]
        assert shown[len(shown) - len(lowest) :] == lowest
    elif rule.protect is None:
        assert missing == set(low)


async def test_the_explicit_minimum_of_a_request_replaces_that_of_the_rule() -> None:
    minimum = MinProbability(0.6, LowHits.LAST)
    world = World(model={"a": 0.1, "b": 0.7, "c": 0.5}, rule=replace(RULE, window=2, min_probability=minimum))
    assert ids(await world.search()) == ["1", "2", "0"]
    explicit = replace(a_search({"query": HOSE}), rerank_request=RerankRequest("hose", window=2, min_score=0.05))
    result = await run(explicit, world.ports(), world.options)
    assert ids(result) == ["1", "0"]


@pytest.mark.parametrize(
    ("limit", "page", "fetched"),
    [(None, (0, 2), 7), (None, (6, 3), 14), (10, (6, 3), 10), (4, (0, 2), 4), (6, (5, 3), 8)],
)
async def test_as_many_more_hits_are_fetched_as_can_move_up(
    limit: int | None, page: tuple[int, int], fetched: int
) -> None:
    """The engine's own limit counts, unless the page itself exceeds it."""
    rule = replace(RULE, min_probability=MinProbability(0.5, LowHits.LAST))
    world = World(resolved=(rule, replace(INFO, max_result_window=limit)))
    plan = await world.plan(size=page[1], **{"from": page[0]})
    assert (plan.fetch.from_, plan.fetch.size) == (0, fetched)


async def test_the_engines_order_is_cut_to_the_page() -> None:
    world = World()
    plan = await world.plan(size=2)
    reply = await world.fetch(plan)
    result = engine_order(plan, reply, Why.PARTIAL)
    assert (ids(result), header(result)) == (["0", "1"], "skipped; why=partial")
    assert (result.rule, result.reply) == (RULE, reply)
    assert engine_order(plan, a_reply(b"[]"), Why.PARTIAL) == SearchResult(
        None, skipped(Why.ENGINE_ANSWER, RULE.name), RULE
    )
    assert engine_order(plan, a_reply(None), Why.PARTIAL) == SearchResult(
        None, skipped(Why.ENGINE_ERROR, RULE.name), RULE
    )


@given(WORLDS)
def test_equal_probabilities_keep_the_engines_order(world: World) -> None:
    world = replace(world, hits=[(text or "a", score) for text, score in world.hits], model={})
    assert ids(asyncio.run(world.search(size=20))) == [str(at) for at in range(len(world.hits))]


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (World(model={"a": 0.1, "b": 0.2, "c": 0.9}), True),
        (World(model={"a": 0.9, "b": 0.5, "c": 0.1}), False),
    ],
)
async def test_a_measurement_is_the_change_of_the_order(world: World, expected: bool) -> None:
    found = await measure(await world.plan(size=2), world.ports(), world.options)
    assert isinstance(found, Change)
    assert (found.overlap, found.top) == (1.0, expected)


@pytest.mark.parametrize(
    ("world", "body"),
    [
        (World(model=Failed(Why.DEADLINE)), {}),
        (World(hits=[("a", 1.0)]), {}),
        (World(answers=[None]), {}),
        (World(answers=[b"{}"]), {}),
        (World(), {"from": 7}),
    ],
)
async def test_a_window_that_would_not_be_reranked_has_no_measurement(world: World, body: dict[str, Any]) -> None:
    assert await measure(await world.plan(**body), world.ports(), world.options) is None


def bare(*members: str) -> bytes:
    """Return a response of two hits with these members and no others."""
    rows = [f'{{"_index":"docs","_id":"{at}","_score":{2 - at}{"".join(members)}}}' for at in range(2)]
    return f'{{"hits":{{"hits":[{",".join(rows)}]}}}}'.encode()


async def test_hits_without_source_are_read_from_stored_fields_next_time() -> None:
    world = World(answers=[bare()])
    assert header(await world.search()) == "skipped; why=no_passages"
    assert world.learnt == [(INFO, False)]
    learnt = IndexInfo(INFO.names, INFO.field_types, has_source=False)
    world = World(resolved=(RULE, learnt), answers=[bare(',"fields":{"title":["a hose"]}'), bare()])
    assert header(await world.search()).startswith("reranked")
    assert [plan.fetch.phase for plan in world.plans] == [FetchPhase.QUERY, FetchPhase.FETCH]
    assert (world.plans[0].reads_stored, world.learnt) == (True, [])
    world = World(resolved=(RULE, learnt), answers=[bare(), bare()])
    assert header(await world.search()) == "skipped; why=no_passages"
    assert world.learnt == [(learnt, True)]


async def test_hits_whose_source_is_empty_or_was_not_asked_for_teach_nothing() -> None:
    for answers, body in (([bare(',"_source":{}')], {}), ([bare()], {"_source": False, "profile": True})):
        world = World(answers=answers)
        assert header(await world.search(**body)) == "skipped; why=no_passages"
        assert world.learnt == []


@pytest.mark.parametrize(
    ("from_header", "query_header", "expected"),
    [
        (None, True, None),
        (None, False, None),
        (False, False, None),
        (True, True, None),
        (True, False, Why.QUERY_HEADER),
    ],
)
async def test_a_rule_may_refuse_the_query_text_of_the_header(
    from_header: bool | None, query_header: bool, expected: Why | None
) -> None:
    world = World(rule=replace(RULE, query_header=query_header))
    wanted = None if from_header is None else RerankRequest("hose", from_header=from_header)
    requested = replace(a_search({"query": HOSE}), rerank_request=wanted)
    plan = await decide(requested, world.ports(), world.options)
    assert (plan.why if isinstance(plan, Skip) else None) is expected


@pytest.mark.parametrize(
    ("recorded", "ranking", "ordered"),
    [
        (False, None, False),
        (False, Ranking((1, 0), (1.9, 1.5)), False),
        (True, None, False),
        (True, Ranking((1, 0), (1.9, 1.5)), True),
    ],
)
def test_the_engine_orders_the_hits_of_a_fetch_phase_only_if_they_are_recorded_in_a_new_order(
    recorded: bool, ranking: Ranking | None, ordered: bool
) -> None:
    plan = a_plan(size=2, fetch=FetchSpec(FetchPhase.QUERY, 0, 50), recorded=recorded)
    reply = a_reply(b'{"hits":{"hits":[{"_index":"docs","_id":"1"},{"_index":"docs","_id":"2"}]}}')
    window = RankedWindow(plan, reply, read(reply.body or b""), ranking, skipped(Why.OFF))
    keys = (HitKey("docs", "1"), HitKey("docs", "2"))
    fetch = FetchSpec(FetchPhase.FETCH, 0, 2, keys[::-1] if ranking else keys, ordered)
    assert fetch_phase(window) == replace(plan, fetch=fetch)
    assert fetch_phase(replace(window, plan=a_plan())) is None


@pytest.mark.parametrize(("window", "measured"), [(5, True), (0, False)])
async def test_a_page_beyond_the_window_has_no_measurement(window: int, measured: bool) -> None:
    world = World(model={"a": 0.1, "b": 0.9})
    plan = a_plan(window=window, rule=RULE, passage_fields=("body",))
    assert (await measure(plan, world.ports(), world.options) is not None) is measured
