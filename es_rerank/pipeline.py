"""The story of one search. The two effects, asking the engine and asking the model, are passed in as functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from es_rerank.model import (
    Failed,
    IndexInfo,
    Outcome,
    Plan,
    Rule,
    Scored,
    ScoreRequest,
    Search,
    Skip,
    Why,
    failed,
    skipped,
)
from es_rerank.search import plan as planning
from es_rerank.search.order_change import Change, change, in_sample
from es_rerank.search.passages import passage
from es_rerank.search.response.hits import NotASearchResponseError, SearchResponse, read
from es_rerank.search.response.rewrite import paged, rejoin, rewrite
from es_rerank.search.scoring import PINNED, Ranking, rank

# One hit is in order whatever the model says.
_WORTH_IT = 2

About = Callable[[Search], Awaitable[tuple[Rule, IndexInfo] | Skip]]
"""Finds the rule and the mapping of what a Search names."""
Fetch = Callable[[Plan], Awaitable[bytes | None]]
"""Asks the engine for a plan's hits; None if it did not answer 200 with JSON: then the request goes as it came."""
Score = Callable[[ScoreRequest], Awaitable[Scored | Failed]]
"""Asks the model; a fault is a value."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What the pipeline may do to the outside world; `splits` is whether it may fetch twice for one page.

    `aside` takes a plan that is to be measured only (`shadowing`: all are), `key` is what a share is drawn by,
    `fetching` the seconds that a fetch takes.
    """

    about: About
    fetch: Fetch
    score: Score
    seconds_left: Callable[[Rule], float]
    splits: bool = True
    aside: Callable[[Plan], None] | None = None
    shadowing: bool = False
    key: str = ""
    fetching: Callable[[], float] = lambda: 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer's body, or None: the request is sent on as it came; and what happened."""

    body: bytes | None
    outcome: Outcome
    rule: Rule | None = None


async def run(search: Search, effects: Effects) -> Reply:
    """Tell the whole story: decide, fetch, read, score, rank, rewrite. Every way out keeps the engine's hits."""
    plan = await decide(search, effects)
    if isinstance(plan, Skip):
        return Reply(None, skipped(plan.why))
    return await finish(plan, await effects.fetch(plan), effects)


async def decide(search: Search, effects: Effects) -> Plan | Skip:
    """Decide cheaply first, then with the index's rule and mapping."""
    ruled_out = planning.early(search)
    if ruled_out:
        return ruled_out
    about = await effects.about(search)
    plan = about if isinstance(about, Skip) else planning.make(search, *about, two_phase=effects.splits)
    return plan if isinstance(plan, Skip) else _rolled_out(plan, search, effects)


def _rolled_out(plan: Plan, search: Search, effects: Effects) -> Plan | Skip:
    """Leave out what is only measured, and what is not in the rule's sample_rate."""
    key = effects.key or search.params.get("preference") or plan.text
    if plan.rule.mode == "sample" and not in_sample(key, plan.rule.sample_rate):
        return Skip(Why.SAMPLED_OUT)
    if plan.rule.mode != "shadow" and not effects.shadowing:
        return plan
    if effects.aside:
        effects.aside(plan)
    return Skip(Why.SHADOW)


async def measure(plan: Plan, effects: Effects) -> Change | None:
    """Tell how much reranking would change the order of a window; None where it would not be reranked."""
    envelope = _envelope(await effects.fetch(plan))
    if isinstance(envelope, Skip) or not plan.window:
        return None
    ranking, outcome = await _ranking(envelope, plan, effects)
    return change(ranking.order) if ranking and ranking.order and outcome.state == "reranked" else None


async def finish(plan: Plan, answer: bytes | None, effects: Effects) -> Reply:
    """Make the client's answer of the engine's (None: it gave none)."""
    envelope = _envelope(answer)
    if isinstance(envelope, Skip):
        return Reply(None, skipped(envelope.why), plan.rule)
    ranking, outcome = await _ranking(envelope, plan, effects)
    body = await _page(envelope, plan, ranking, effects)
    if isinstance(body, Skip):
        return Reply(None, skipped(body.why), plan.rule)
    return Reply(body, outcome, plan.rule)


def page(plan: Plan, answer: bytes, why: Why) -> Reply:
    """Cut the client's page out of the engine's answer, in the engine's order."""
    envelope = _envelope(answer)
    if isinstance(envelope, Skip):
        return Reply(None, skipped(envelope.why), plan.rule)
    return Reply(rewrite(envelope, plan, None), skipped(why), plan.rule)


def _envelope(body: bytes | None) -> SearchResponse | Skip:
    """Read the engine's answer; one that cannot be rewritten safely is left alone."""
    if body is None:
        return Skip(Why.ENGINE_ERROR)
    try:
        return read(body)
    except NotASearchResponseError:
        return Skip(Why.ENGINE_ANSWER)


async def _ranking(envelope: SearchResponse, plan: Plan, effects: Effects) -> tuple[Ranking | None, Outcome]:
    """Find the new order; None keeps the engine's."""
    engine = [score for hit in envelope.hits if (score := hit.score) is not None]
    if len(engine) < len(envelope.hits):
        return None, skipped(Why.ENGINE_ANSWER)
    if not plan.window:
        return rank(plan.rule.policy, engine, []), skipped(Why.BEYOND_WINDOW)
    if len(engine) < _WORTH_IT:
        return None, skipped(Why.FEW_HITS)
    documents = _documents(envelope, plan, engine)
    if not any(documents):
        return None, skipped(Why.NO_PASSAGES)
    deadline = effects.seconds_left(plan.rule) - (effects.fetching() if plan.light else 0.0)
    found = await effects.score(ScoreRequest(plan.text, documents, plan.rule, deadline))
    if isinstance(found, Failed):
        return None, failed(found)
    read = len(documents) if found.window is None else found.window
    outcome = Outcome("reranked", window=read, of=len(documents), cached=found.cached, model=found.model)
    return rank(plan.rule.policy, engine, found.probabilities, plan.min_score), outcome


async def _page(envelope: SearchResponse, plan: Plan, ranking: Ranking | None, effects: Effects) -> bytes | Skip:
    """Write the client's page; after a light window it is fetched in full, and Skip means the index has changed."""
    if not plan.light:
        return rewrite(envelope, plan, ranking)
    hits = tuple(one.hit.name for one in paged(envelope, plan, ranking))
    full = _envelope(await effects.fetch(replace(plan, light=False, only=hits, fetch_from=0, fetch_size=len(hits))))
    if isinstance(full, Skip):
        return full
    return rejoin(envelope, full, plan, ranking) or Skip(Why.ENGINE_ANSWER)


def _documents(envelope: SearchResponse, plan: Plan, engine: Sequence[float]) -> list[str | None]:
    """Write the text of each hit in the window; pinned hits stay where they are, so theirs is not read."""
    return [
        None
        if score >= PINNED
        else passage(hit.object("_source"), hit.object("fields"), plan.rule, plan.passage_fields)
        for hit, score in zip(envelope.hits[: plan.window], engine, strict=False)
    ]
