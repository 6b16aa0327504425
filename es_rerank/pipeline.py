"""The steps of one search: plan, query phase, scoring, fetch phase, rewriting. `Ports` has the I/O functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from es_rerank.model import (
    CallOptions,
    EngineReply,
    Failed,
    FetchPhase,
    FetchSpec,
    IndexInfo,
    Mappings,
    Outcome,
    OutcomeState,
    Plan,
    Rule,
    RuleMode,
    Scored,
    ScoreRequest,
    Search,
    Skip,
    Why,
    failed,
    reranked,
    skipped,
)
from es_rerank.search import plan as planning
from es_rerank.search.compute import Compute, compute_inline
from es_rerank.search.order_change import Change, change, in_sample, rank_change
from es_rerank.search.response.completeness import MIN_HITS, unusable
from es_rerank.search.response.hits import NotASearchResponseError, SearchResponse, are_from, lack_source, read
from es_rerank.search.response.rewrite import page_keys, rejoin, rewrite
from es_rerank.search.scoring import Ranking, rank
from es_rerank.search.window import minimum, ranked, read_window, window_scores


@dataclass(frozen=True, slots=True)
class Ports:
    """The functions with which the pipeline does I/O.

    Attributes:
        resolve_index: Returns the rule and the mapping of a search's indices, or a skip if either is not available.
        fetch: Sends the engine request that a plan describes. Returns a skip if the request was canceled.
        score: Scores a window with the model. Failures are returned, not raised.
        mappings: Corrects cached mappings if the hits show that they are wrong.
        compute: Calls a slow pure function whose input is a response, possibly in another thread.
        allow_two: Returns whether two engine requests probably complete before a deadline (a `time.monotonic()` value).

    """

    resolve_index: Callable[[Search], Awaitable[tuple[Rule, IndexInfo] | Skip]]
    fetch: Callable[[Plan], Awaitable[EngineReply | Skip]]
    score: Callable[[ScoreRequest], Awaitable[Scored | Failed]]
    mappings: Mappings = field(default_factory=Mappings)
    compute: Compute = compute_inline
    allow_two: Callable[[float], bool] = lambda _deadline: True


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of one search.

    Attributes:
        body: The response body; None if the request must be passed to the engine unchanged.
        outcome: The outcome of the search.
        rule: The rule of the search, if there is one.
        reply: The engine's reply whose status and headers are used for the client's response.
        shadow: In shadow mode, the plan for measuring the effect of reranking after the response has been sent.
        window: The window that the response was built from; None if the response is the engine's own.

    """

    body: bytes | None
    outcome: Outcome
    rule: Rule | None = None
    reply: EngineReply | None = None
    shadow: Plan | None = None
    window: RankedWindow | None = None


@dataclass(frozen=True, slots=True)
class RankedWindow:
    """A window that the engine returned, the new ranking of its hits and the outcome.

    `ranking` is None if the hits keep the engine's order.
    """

    plan: Plan
    reply: EngineReply
    response: SearchResponse
    ranking: Ranking | None
    outcome: Outcome


async def run(search: Search, ports: Ports, options: CallOptions) -> SearchResult:
    """Run all steps of one search and return its result. If a step fails, the client gets the engine's order."""
    plan = await decide(search, ports, options)
    if isinstance(plan, Skip):
        return skip_result(plan)
    window = await rank_window(plan, await ports.fetch(plan), ports, options)
    if isinstance(window, SearchResult):
        return window
    if (page := fetch_phase(window)) is None:
        return await ports.compute(window.reply.size, page_result, window)
    fetched = await ports.fetch(page)
    if isinstance(fetched, Skip):
        return skip_result(fetched, plan.rule)
    return await ports.compute(window.reply.size, joined_result, window, fetched)


async def decide(search: Search, ports: Ports, options: CallOptions) -> Plan | Skip:
    """Return the plan of a search, or a skip. Checks of the search itself come before resolving its indices."""
    early = planning.early(search)
    if early:
        return early
    resolved = await ports.resolve_index(search)
    if isinstance(resolved, Skip):
        return resolved
    two_phase = options.two_phase and ports.allow_two(options.deadline_of(resolved[0]))
    plan = planning.make(search, options.narrowed(resolved[0]), resolved[1], two_phase=two_phase)
    return plan if isinstance(plan, Skip) else _rolled_out(plan, search, options)


def _rolled_out(plan: Plan, search: Search, options: CallOptions) -> Plan | Skip:
    """Return the plan, or a skip if the rule excludes the search, or if it is only measured (shadow mode)."""
    if search.rerank_request and search.rerank_request.from_header and not plan.rule.query_header:
        return Skip(Why.QUERY_HEADER)
    key = options.sampling_key or search.params.get("preference") or plan.text
    if plan.rule.mode is RuleMode.SAMPLE and not in_sample(key, plan.rule.sample_rate):
        return Skip(Why.SAMPLED_OUT, rule=plan.rule.name)
    return planning.shadow(search, plan) if plan.rule.mode is RuleMode.SHADOW or options.shadow else plan


async def measure(plan: Plan, ports: Ports, options: CallOptions) -> Change | None:
    """Measure how much reranking would change the order of a window. Return None if it would not be reranked."""
    window = await rank_window(plan, await ports.fetch(plan), ports, options)
    if isinstance(window, SearchResult) or window.outcome.state is not OutcomeState.RERANKED:
        return None
    return change(window.ranking.order) if window.ranking and window.ranking.order else None


async def rank_window(
    plan: Plan, reply: EngineReply | Skip, ports: Ports, options: CallOptions
) -> RankedWindow | SearchResult:
    """Return the hits of an engine reply, ranked by the model, or the result of a skip if they cannot be reranked."""
    if isinstance(reply, Skip):
        return skip_result(reply, plan.rule)
    response = await ports.compute(reply.size, _read, reply)
    if isinstance(response, Skip):
        return skip_result(response, plan.rule)
    if why := unusable(response, plan):
        return skip_result(Skip(why), plan.rule)
    deadline = options.deadline_of(plan.rule)
    if plan.fetch.phase is FetchPhase.QUERY:
        # Reserve time for the fetch phase, which is expected to take as long as the query phase.
        deadline -= reply.seconds
    ranking, outcome = await _rank(response, plan, deadline, ports)
    return RankedWindow(plan, reply, response, ranking, outcome)


def fetch_phase(window: RankedWindow) -> Plan | None:
    """Return the plan of the fetch phase for the window's page; None if no fetch phase is needed."""
    if window.plan.fetch.phase is not FetchPhase.QUERY:
        return None
    keys = page_keys(window.response, window.plan, window.ranking)
    if not keys and window.plan.hits_only:
        return None
    ordered = window.plan.recorded and window.ranking is not None
    # The result may depend on `size`.
    return replace(window.plan, fetch=FetchSpec(FetchPhase.FETCH, 0, window.plan.size, keys, ordered))


def page_result(window: RankedWindow, why: Why | None = None) -> SearchResult:
    """Return the client's page of a window whose hits have everything that the client requested.

    Args:
        window: The ranked window.
        why: If set, the search is reported as skipped for this reason.

    """
    outcome = skipped(why, window.plan.rule.name) if why else window.outcome
    if (body := rewrite(window.response, window.plan, window.ranking)) is None:
        return skip_result(Skip(Why.ENGINE_ANSWER), window.plan.rule)
    return SearchResult(body, outcome, window.plan.rule, window.reply, window=window)


def joined_result(window: RankedWindow, reply: EngineReply) -> SearchResult:
    """Return the client's page: the hits from the fetch phase, with the order and scores of the ranked window."""
    if isinstance(page := _read(reply), Skip):
        return skip_result(page, window.plan.rule)
    if (body := rejoin(window.response, page, window.plan, window.ranking)) is None:
        return skip_result(Skip(Why.ENGINE_ANSWER), window.plan.rule)
    return SearchResult(body, window.outcome, window.plan.rule, reply, window=window)


def engine_order(plan: Plan, reply: EngineReply, why: Why) -> SearchResult:
    """Return the client's page in the engine's order, reported as skipped with the reason *why*."""
    response = _read(reply)
    if isinstance(response, Skip):
        return skip_result(response, plan.rule)
    return page_result(RankedWindow(plan, reply, response, None, skipped(why, plan.rule.name)))


def skip_result(skip: Skip, rule: Rule | None = None) -> SearchResult:
    """Return the result of a search that is passed to the engine unchanged."""
    return SearchResult(None, skipped(skip.why, rule.name if rule else skip.rule), rule, shadow=skip.shadow)


def _read(reply: EngineReply) -> SearchResponse | Skip:
    """Parse the engine's search response; return a skip if it cannot be rewritten safely."""
    if reply.body is None:
        return Skip(reply.why)
    try:
        return read(reply.body)
    except NotASearchResponseError:
        return Skip(Why.ENGINE_ANSWER)


async def _rank(response: SearchResponse, plan: Plan, deadline: float, ports: Ports) -> tuple[Ranking | None, Outcome]:
    """Return the ranking of the hits (None for the engine's order) and the outcome."""
    engine = [hit.score for hit in response.hits if hit.score is not None]
    why = _why_not(response, len(engine), plan, ports)
    if why:
        return None, skipped(why, plan.rule.name)
    if not plan.window:
        return rank(plan.rule.policy, engine, []), skipped(Why.BEYOND_WINDOW, plan.rule.name)
    documents, fields = await ports.compute(len(response.body), read_window, response.hits, plan, engine)
    if not any(documents):
        if plan.info and (plan.reads_stored or lack_source(response.hits, plan)):
            ports.mappings.learn_source(plan.info, has_source=plan.reads_stored)
        return None, skipped(Why.NO_PASSAGES, plan.rule.name)
    scored = await ports.score(ScoreRequest(plan.text, documents, plan.rule, deadline))
    if isinstance(scored, Failed):
        return None, failed(scored, plan.rule.name)
    scores = window_scores(response.hits, plan, engine, scored.probabilities, fields)
    ranking = ranked(scores, plan.rule, minimum(plan))
    return ranking, reranked(scored, len(documents), fields, plan.rule.name, rank_change(ranking.order))


def _why_not(response: SearchResponse, scored: int, plan: Plan, ports: Ports) -> Why | None:
    """Return the reason for keeping the engine's order, or None. *scored* is the number of hits with engine scores."""
    if scored < len(response.hits):
        return Why.ENGINE_ANSWER
    if plan.info and not are_from(response.hits, plan.info) and ports.mappings.forget(plan.info):
        # The rule and the fields of these indices are not known.
        return Why.MAPPING
    return Why.FEW_HITS if plan.window and scored < MIN_HITS else None
