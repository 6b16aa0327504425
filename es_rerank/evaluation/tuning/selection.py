"""Chooses a rule by cross-validation. Proposes it only if it is better on queries that were not used to choose it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from es_rerank.evaluation.extra import library
from es_rerank.evaluation.statistics import Difference, difference
from es_rerank.evaluation.tuning.candidates import Candidate, extended
from es_rerank.evaluation.tuning.outcomes import Outcomes

# Candidates whose mean values differ by less than this are equally good. The one with the fewest tokens is chosen.
_TOLERANCE = 0.002
MIN_QUERIES = 5
# Number of candidates between two steps of the progress bar.
_BLOCK = 16


class Verdict(StrEnum):
    """The proposal: the chosen rule, the current rule, or no reranking."""

    TUNED = "tuned"
    CURRENT = "current"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Cost:
    """The mean number of passages that the model reads per search, and the mean of their approximate token counts."""

    passages: float
    tokens: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """The result of tuning. Each array has the value of the first measure for each query.

    Attributes:
        verdict: Which rule is proposed.
        chosen: The best candidate for all queries together.
        engine: The values in the engine's order.
        current: The values with the current rule.
        tuned: The values with *chosen*. Their mean is too optimistic, because *chosen* is the best for these queries.
        held_out: The value of each query with the candidate that is best for the other folds.
        folds: For each fold, the candidate that is best for the other folds.

    """

    verdict: Verdict
    chosen: Candidate
    engine: Any
    current: Any
    tuned: Any
    held_out: Any
    folds: Sequence[Candidate]

    @property
    def proposed(self) -> Any:
        """The values with the proposed rule, or in the engine's order if no rule is proposed."""
        return {Verdict.TUNED: self.tuned, Verdict.CURRENT: self.current, Verdict.OFF: self.engine}[self.verdict]

    def against_engine(self, values: Any) -> Difference:
        """Return the difference between *values* and the values in the engine's order, with its significance."""
        return difference(self.engine, values)


class Selector:
    """Chooses the candidate with the highest mean value of the first measure for given queries.

    Attributes:
        outcomes: Computes the values of the measure.
        candidates: The candidates. The first one is the current rule.
        values: The value of the measure for each candidate and query, an array of shape (candidates, queries).

    """

    def __init__(
        self, outcomes: Outcomes, candidates: Sequence[Candidate], progress: Callable[[int], None] = lambda _: None
    ) -> None:
        """Measure all candidates.

        Args:
            outcomes: Computes the values of the measure.
            candidates: The candidates. The first one is the current rule.
            progress: Called several times, with the number of candidates measured since the last call.

        """
        self.outcomes = outcomes
        self.candidates = candidates
        self.values = library("numpy").concatenate(list(_blocks(outcomes, candidates, progress)))
        self._costs = [cost(outcomes, one).tokens for one in candidates]
        self._extended: dict[Candidate, tuple[list[Candidate], Any]] = {}

    def choose(self, queries: Any) -> Candidate:
        """Return the best candidate for some queries.

        The best variant, window and policy are chosen first. Protection and lowest probability are then changed only if
        this improves the mean.

        Args:
            queries: The indices of the queries, as an array.

        """
        means = self.values[:, queries].mean(axis=1)
        best = means.max()
        near = [at for at, mean in enumerate(means) if mean >= best - _TOLERANCE]
        at = min(near, key=lambda one: (self._costs[one], -means[one], one))
        more, values = self._with_extensions(self.candidates[at])
        means = values[:, queries].mean(axis=1)
        top = int(means.argmax())
        return more[top if means[top] > means[0] + _TOLERANCE else 0]

    def of(self, candidate: Candidate) -> Any:
        """Return the values of one candidate, an array with one value per query."""
        return self.outcomes.matrix([candidate])[0]

    def _with_extensions(self, candidate: Candidate) -> tuple[list[Candidate], Any]:
        """Return a candidate's extensions, see `extended`, and their values. Both are cached."""
        if candidate not in self._extended:
            more = list(extended(candidate))
            self._extended[candidate] = more, self.outcomes.matrix(more)
        return self._extended[candidate]


def _blocks(outcomes: Outcomes, candidates: Sequence[Candidate], progress: Callable[[int], None]) -> Iterator[Any]:
    """Yield the values of the candidates, block by block, as arrays of shape (candidates, queries)."""
    for start in range(0, len(candidates), _BLOCK):
        block = candidates[start : start + _BLOCK]
        yield outcomes.matrix(block)
        progress(len(block))


def propose(selector: Selector, folds: int, seed: int) -> Proposal:
    """Choose a rule by cross-validation, and return it with the decision whether to propose it.

    Each fold is measured with the candidate that is best for the other folds. The mean of these values is an estimate
    of the quality for new queries. The chosen rule is proposed if this estimate is above the engine's mean and not
    below the mean of the current rule. Otherwise, the current rule is proposed if its mean is above the engine's.

    Args:
        selector: The candidates and their values.
        folds: Number of folds. If there are fewer queries, each query is a fold.
        seed: Random seed for the assignment of queries to folds.

    """
    numpy = library("numpy")
    count = len(selector.outcomes.pools)
    numbers = fold_numbers(count, min(folds, count), seed)
    held_out = numpy.zeros(count)
    chosen_by_folds = []
    for fold in range(min(folds, count)):
        inside = numpy.flatnonzero(numbers == fold)
        chosen = selector.choose(numpy.flatnonzero(numbers != fold))
        chosen_by_folds.append(chosen)
        held_out[inside] = selector.of(chosen)[inside]
    chosen = selector.choose(numpy.arange(count))
    engine, current = selector.outcomes.engine, selector.values[0]
    tuned = selector.of(chosen)
    is_new = chosen != selector.candidates[0]
    verdict = _verdict(engine.mean(), current.mean(), min(held_out.mean(), tuned.mean()) if is_new else 0.0)
    return Proposal(verdict, chosen, engine, current, tuned, held_out, chosen_by_folds)


def _verdict(engine: float, current: float, tuned: float) -> Verdict:
    """Return which rule is proposed, given mean values of the measure.

    Args:
        engine: The mean in the engine's order.
        current: The mean with the current rule.
        tuned: The mean with the chosen rule on held-out queries, or on all queries if that is lower; 0 if the chosen
            rule is the current rule.

    """
    if tuned > engine and tuned >= current:
        return Verdict.TUNED
    return Verdict.CURRENT if current > engine else Verdict.OFF


def fold_numbers(count: int, folds: int, seed: int) -> Any:
    """Return the fold number of each query, as an array. The numbers of queries per fold differ by at most one."""
    numpy = library("numpy")
    return numpy.random.default_rng(seed).permutation(numpy.arange(count) % folds)


def cost(outcomes: Outcomes, candidate: Candidate) -> Cost:
    """Return the mean cost of a search with a candidate."""
    read = [pool.windows[candidate.place] for pool in outcomes.pools]
    return Cost(sum(one.passages for one in read) / len(read), sum(one.tokens for one in read) / len(read))
