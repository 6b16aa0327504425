"""Summarizes the result of tuning: the proposal, the cost and quality of each rule, and the queries that change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from es_rerank.evaluation.measures import Cutoffs
from es_rerank.evaluation.summary import QueryChange
from es_rerank.evaluation.tuning.candidates import Candidate
from es_rerank.evaluation.tuning.outcomes import Outcomes, Shown, hits, shown
from es_rerank.evaluation.tuning.selection import Cost, Proposal, Selector, Verdict, cost
from es_rerank.evaluation.tuning.values import PassageVariant, Pool
from es_rerank.evaluation.values import Comparison, SearchRecord


@dataclass(frozen=True, slots=True)
class TuneSetup:
    """The inputs of tuning, as named in the outputs.

    Attributes:
        index: The index expression.
        model: Name of the model.
        template: Name of the search template.
        cutoffs: The number of hits that each measure takes into account.
        folds: Number of folds.
        seed: Random seed for the assignment of queries to folds.

    """

    index: str
    model: str
    template: str
    cutoffs: Cutoffs
    folds: int
    seed: int


@dataclass(frozen=True, slots=True)
class Point:
    """One rule with its cost per search, and its mean value of the first measure over all queries."""

    candidate: Candidate
    cost: Cost
    value: float


@dataclass(frozen=True, slots=True)
class TuneSummary:
    """The result of tuning.

    Attributes:
        setup: The inputs of tuning.
        variants: The passage variants that were compared.
        proposal: Whether to use the chosen rule or to keep the current one, with the values that this is based on.
        engine: Mean value of the first measure in the engine's order.
        current: The current rule.
        chosen: The rule with the highest mean over all queries, even if it is not proposed.
        places: For each variant and window, the rule with the best policy.
        changes: The queries with their values in the engine's order and in the proposed order, from the greatest loss
            to the greatest win.

    """

    setup: TuneSetup
    variants: Sequence[PassageVariant]
    proposal: Proposal
    engine: float
    current: Point
    chosen: Point
    places: Sequence[Point]
    changes: Sequence[QueryChange]

    @property
    def worse(self) -> list[QueryChange]:
        """The queries that are worse than in the engine's order, the worst first."""
        return [one for one in self.changes if one.change < 0]

    @property
    def better(self) -> list[QueryChange]:
        """The queries that are better than in the engine's order, the best first."""
        return [one for one in reversed(self.changes) if one.change > 0]

    def frontier(self) -> list[Point]:
        """Return the Pareto-optimal rules by tokens and quality, the cheapest first.

        Rules whose quality is not higher than that of the engine's order are left out.
        """
        found: list[Point] = []
        for point in sorted(self.places, key=lambda one: (one.cost.tokens, -one.value)):
            if point.value > max([self.engine, *(one.value for one in found)]):
                found.append(point)
        return found


def summarize(
    setup: TuneSetup, variants: Sequence[PassageVariant], selector: Selector, proposal: Proposal
) -> TuneSummary:
    """Return the summary of the result of tuning."""
    outcomes = selector.outcomes
    return TuneSummary(
        setup=setup,
        variants=variants,
        proposal=proposal,
        engine=float(outcomes.engine.mean()),
        current=_point(outcomes, selector.candidates[0], proposal.current),
        chosen=_point(outcomes, proposal.chosen, proposal.tuned),
        places=_places(selector),
        changes=_changes(selector, proposal),
    )


def _point(outcomes: Outcomes, candidate: Candidate, values: Any) -> Point:
    """Return a candidate with its cost and the mean of its values."""
    return Point(candidate, cost(outcomes, candidate), float(values.mean()))


def _places(selector: Selector) -> list[Point]:
    """Return the best candidate of each variant and window. If several candidates are equally good, use the first."""
    best: dict[tuple[int, int], Point] = {}
    for candidate, values in zip(selector.candidates, selector.values, strict=True):
        known = best.get(candidate.place)
        if known is None or values.mean() > known.value:
            best[candidate.place] = _point(selector.outcomes, candidate, values)
    return list(best.values())


def _changes(selector: Selector, proposal: Proposal) -> list[QueryChange]:
    """Return the queries with their values in the engine's order and in the proposed order."""
    outcomes = selector.outcomes
    rows = zip(outcomes.pools, _orders(selector, proposal), proposal.engine, proposal.proposed, strict=True)
    changes = [
        QueryChange(_comparison(pool, order, outcomes.cutoffs.k), float(before), float(after))
        for pool, order, before, after in rows
    ]
    return sorted(changes, key=lambda one: one.change)


def _orders(selector: Selector, proposal: Proposal) -> Iterator[Shown]:
    """Yield the proposed order of each query, which is the engine's order if no rule is proposed."""
    k = selector.outcomes.cutoffs.k
    proposed = {Verdict.TUNED: proposal.chosen, Verdict.CURRENT: selector.candidates[0]}.get(proposal.verdict)
    for pool in selector.outcomes.pools:
        yield shown(pool, proposed, k) if proposed else tuple(range(min(k, len(pool.hits))))


def _comparison(pool: Pool, order: Shown, k: int) -> Comparison:
    """Return a query with its first hits in the engine's order and in the proposed order."""
    before, after = SearchRecord(pool.hits[:k], 0.0), SearchRecord(hits(pool, order), 0.0)
    return Comparison(pool.query, pool.ratings, before, after)
