"""Scores the windows of judged queries with the endpoint's own code for planning, passages and the rerank client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.errors import EsRerankError
from es_rerank.evaluation.template import Template
from es_rerank.evaluation.tuning.hits import EngineHits, EngineSource
from es_rerank.evaluation.tuning.passage_variants import is_whole
from es_rerank.evaluation.tuning.values import ScoredWindow
from es_rerank.evaluation.values import Query
from es_rerank.model import Failed, Plan, Protection, Rule, ScoreRequest, Search, Skip, Why
from es_rerank.reasons import REASONS
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.prompt import PromptBuilder
from es_rerank.rerank_client.client import Readiness, Reranker
from es_rerank.search import plan as planning
from es_rerank.search.response.completeness import MIN_HITS
from es_rerank.search.window import read_window, window_scores

# Time limit for scoring a window, and for the self-test. It can be long, because no client waits for a response.
_SECONDS = 600.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Found:
    """A query, its search as decoded by the endpoint's code, and the engine's hits."""

    query: Query
    search: Search
    hits: EngineHits


async def find(engine: EngineSource, template: Template, query: Query, k: int, size: int) -> Found:
    """Return a query, its decoded search, and the engine's hits.

    Args:
        engine: The engine.
        template: The search body of the application.
        query: The query.
        k: Number of hits on the page that a client would request.
        size: Number of hits to request from the engine.

    Raises:
        EsRerankError: If the search fails, or if es-rerank would not rerank it.

    """
    body = template.search(query, k)
    search = _planned(engine, body, query)
    return Found(query, search, await engine.hits(body, size))


def _planned(engine: EngineSource, body: Mapping[str, Any], query: Query) -> Search:
    """Return the decoded search. Raises EsRerankError if es-rerank does not rerank such searches with any rule."""
    search = engine.planned(body)
    if isinstance(search, Skip):
        raise _not_reranked(query, search)
    if skip := planning.early(search):
        raise _not_reranked(query, skip)
    return search


async def current_rule(engine: EngineSource, rules: Rules, template: Template, query: Query) -> Rule:
    """Return the rule of the index. Raises EsRerankError if no rule matches, or if it turns reranking off.

    *query* may be any of the queries, because the rule depends only on the index.
    """
    search = _planned(engine, template.search(query, 1), query)
    rule = rules.choose(engine.index, (await engine.info(search)).names)
    if rule is Why.OFF:
        raise EsRerankError(f"{engine.index}: the rule of this index has `mode: off`: remove this key to tune the rule")
    if isinstance(rule, Why):
        raise EsRerankError(f"{engine.index}: searches are not reranked ({rule}): {REASONS[rule].do}")
    return rule


async def read_texts(engine: EngineSource, rule: Rule, found: Found) -> tuple[Sequence[str], Sequence[str | None]]:
    """Return the fields that the model reads with a rule, and the passage text of each hit."""
    texts, fields = read_window(found.hits.raw, await _plan(engine, rule, found), found.hits.scores)
    return fields, texts


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Reranker]:
    """Start a client of the rerank servers, which is closed when the context is left.

    Yields:
        The client, after a server has passed its self-test.

    Raises:
        EsRerankError: If no server passes its self-test.

    """
    if BACKENDS[settings.backend].local:
        raise EsRerankError(f"the backend {settings.backend} has no model: set another backend")
    reranker = Reranker(settings)
    started = asyncio.create_task(reranker.start())
    try:
        await _tested(reranker)
        yield reranker
    finally:
        started.cancel()
        with suppress(asyncio.CancelledError):
            await started
        await reranker.close()


async def _tested(reranker: Reranker) -> None:
    """Wait until a server has passed its self-test. Raises EsRerankError if none does."""
    deadline = time.monotonic() + _SECONDS
    while reranker.health.state is Readiness.UNTESTED and time.monotonic() < deadline:  # noqa: ASYNC110 - no event
        await asyncio.sleep(_POLL_SECONDS)
    if reranker.health.state is not Readiness.OK:
        raise EsRerankError(f"the rerank server cannot be used: {reranker.health.why or 'it does not respond'}")


class QueryScorer:
    """Scores the windows of one query. Windows with the same passages are scored once."""

    def __init__(self, engine: EngineSource, reranker: Reranker, prompts: PromptBuilder, found: Found) -> None:
        """Score the hits of a query.

        Args:
            engine: The engine, for the fields of the index.
            reranker: The client of the rerank servers.
            prompts: Builds the model's prompts.
            found: The query and its hits.

        """
        self._engine = engine
        self._reranker = reranker
        self._prompts = prompts
        self._found = found
        self._done: dict[object, ScoredWindow] = {}

    async def score(self, rule: Rule) -> ScoredWindow:
        """Return the scores of the query's window with a rule. Raises EsRerankError if scoring fails."""
        hits = self._found.hits
        plan = await _plan(self._engine, rule, self._found)
        texts, fields = read_window(hits.raw, plan, hits.scores)
        if len(hits.raw) < MIN_HITS or not any(texts):
            return ScoredWindow((None,) * len(texts))
        key = (tuple(texts), tuple(fields), self._long(plan, texts))
        if key not in self._done:
            self._done[key] = await self._scored(plan, texts, fields)
        return self._done[key]

    def _long(self, plan: Plan, texts: Sequence[str | None]) -> object:
        """Return the limits of passages; None if each text is a single passage, so that the limits do not matter."""
        limits = self._prompts.limits(plan.rule.long, self._prompts.query(plan.text))
        measure = self._prompts.profile.rates.measure
        return None if all(is_whole(text, limits, measure) for text in texts if text) else limits

    async def _scored(self, plan: Plan, texts: Sequence[str | None], fields: Sequence[str]) -> ScoredWindow:
        """Request the scores of a window from the rerank servers."""
        hits = self._found.hits
        request = ScoreRequest(plan.text, texts, plan.rule, time.monotonic() + _SECONDS, whole=True)
        scored, documents = await self._reranker.read(request)
        if isinstance(scored, Failed):
            query = self._found.query.id
            raise EsRerankError(f"query {query!r}: scoring failed ({scored.why}) {scored.detail}".rstrip())
        exact = window_scores(hits.raw, plan, hits.scores, scored.probabilities, fields).exact
        tokens = [passage.tokens for document in documents if document for passage in document.passages]
        return ScoredWindow(tuple(scored.probabilities), exact, len(tokens), sum(tokens))


async def _plan(engine: EngineSource, rule: Rule, found: Found) -> Plan:
    """Return the plan of a search with a rule.

    The rule is changed to protect known items, because only then does the plan look for exact matches.

    Raises:
        EsRerankError: If es-rerank would not rerank the search.

    """
    patient = replace(rule, deadline=_SECONDS, protect=Protection())
    plan = planning.make(found.search, patient, await engine.info(found.search))
    if isinstance(plan, Skip):
        raise _not_reranked(found.query, plan)
    return plan


def _not_reranked(query: Query, skip: Skip) -> EsRerankError:
    """Return the error for a query whose search es-rerank would not rerank."""
    return EsRerankError(f"query {query.id!r}: its search is not reranked ({skip.why}): {REASONS[skip.why].do}")
