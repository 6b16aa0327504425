"""Computes, with the endpoint's code, the order in which a rule returns the hits of each query, and its quality.

This module does not call the model. Its inputs are scores that were computed before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from es_rerank.evaluation.extra import library
from es_rerank.evaluation.measures import Cutoffs, measured
from es_rerank.evaluation.tuning.candidates import Candidate
from es_rerank.evaluation.tuning.values import Pool
from es_rerank.evaluation.values import Comparison, FoundHit, Query, SearchRecord, Side
from es_rerank.model import Rule
from es_rerank.search.window import WindowScores, ranked

Shown = tuple[int, ...]
"""The order of the hits on the first page. Each hit is given by its position in the engine's order, from 0."""


def shown(pool: Pool, candidate: Candidate, k: int) -> Shown:
    """Return the first *k* hits in the order of a candidate's rule, or fewer hits if the rule drops some."""
    read = pool.windows[candidate.place]
    # For given scores, the order depends only on these keys of a rule, and on the lowest probability.
    rule = Rule("", policy=candidate.policy, protect=candidate.protect)
    ranking = ranked(WindowScores(pool.engine, read.model, read.exact), rule, candidate.minimum)
    return tuple(ranking.order[rank] for rank in ranking.ranks(0, k))


def hits(pool: Pool, places: Shown) -> tuple[FoundHit, ...]:
    """Return the hits at the given positions of the engine's order."""
    return tuple(pool.hits[at] for at in places)


class Outcomes:
    """Computes the first measure of each query with each candidate. Candidates with the same order are measured once.

    Attributes:
        pools: The queries with their hits and scores.
        cutoffs: The number of hits that the measure takes into account.
        engine: The value of the measure for each query in the engine's order, as an array.

    """

    def __init__(self, pools: Sequence[Pool], cutoffs: Cutoffs) -> None:
        """Measure the engine's order of the queries in *pools*, which has at least one."""
        self.pools = pools
        self.cutoffs = cutoffs
        self._values: dict[tuple[int, Shown], float] = {}
        self.engine = self.of([tuple(range(min(cutoffs.k, len(pool.hits)))) for pool in pools])

    def matrix(self, candidates: Sequence[Candidate]) -> Any:
        """Return the value of the measure for each candidate and query, as an array of shape (candidates, queries)."""
        k = self.cutoffs.k
        orders = [[shown(pool, candidate, k) for pool in self.pools] for candidate in candidates]
        self._measure((at, order) for row in orders for at, order in enumerate(row))
        rows = [[self._values[at, order] for at, order in enumerate(row)] for row in orders]
        return library("numpy").asarray(rows, dtype=float)

    def of(self, orders: Sequence[Shown]) -> Any:
        """Return the value of the measure for each query, given its order, as an array of shape (queries,)."""
        self._measure(enumerate(orders))
        return library("numpy").asarray([self._values[at, order] for at, order in enumerate(orders)], dtype=float)

    def _measure(self, orders: Iterable[tuple[int, Shown]]) -> None:
        """Measure the orders that have not been measured yet, in one call, which is faster than one call per order."""
        new = [one for one in dict.fromkeys(orders) if one not in self._values]
        if not new:
            return
        comparisons = [
            Comparison(Query(str(number), ""), self.pools[at].ratings, _NO_SEARCH, _record(self.pools[at], order))
            for number, (at, order) in enumerate(new)
        ]
        name = self.cutoffs.measures()[0].name
        values = measured(comparisons, Side.ENDPOINT, self.cutoffs)[name]
        self._values.update({one: values[str(number)] for number, one in enumerate(new)})


_NO_SEARCH = SearchRecord((), 0.0)


def _record(pool: Pool, order: Shown) -> SearchRecord:
    """Return the hits of a query in the given order, in the form of a search result."""
    return SearchRecord(hits(pool, order), 0.0)
