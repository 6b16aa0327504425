"""Score policies: combine engine scores and model scores into the new order and the `_score` that clients see.

Every policy guarantees that scores are finite and not negative, that they never increase from one hit to the next,
even across pages that are computed separately, and that ties keep the engine's order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from es_rerank.model import LowHits, MinProbability, PolicySpec

# The engine score that becomes a `_score` of 0.5 in the tail (the hits after the window). BM25 scores for queries of a
# few words have this magnitude.
_TAIL_MIDPOINT = 10.0
# With the policy `probability`, `_score` is at least this in the window and less than this in the tail.
_MIN_WINDOW_PROBABILITY = 1e-6
# Pinned hits have scores just above 2^127 (1.7014118e38), half the largest 32-bit float. No other score is that high.
PINNED = 1.7e38
# Log-odds are limited to those of this probability, so that they are finite for probabilities of 0 and 1.
_MIN_ODDS_PROBABILITY = 1e-9
# Log-odds that differ by less are equal: the server's rounding errors would decide their order.
_LOG_ODDS_ROUNDING = 1e-4

Combine = Callable[[Sequence[float], Sequence[float], float], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The new order of the fetched hits.

    Attributes:
        order: For each rank, the hit's position in the engine's order. Dropped hits are missing.
        scores: For each rank, the new `_score`; None keeps the engine's score.
        gap: The positions in the result that stay empty because hits were dropped. Hits after the window keep their
            positions, so that pages do not depend on the number of dropped hits.

    """

    order: tuple[int, ...]
    scores: tuple[float | None, ...]
    gap: range = range(0)

    def ranks(self, start: int, stop: int) -> tuple[int, ...]:
        """Return the ranks (indices into `order`) of the hits at positions *start* to *stop* - 1 of the result."""
        after = range(max(start, self.gap.stop) - len(self.gap), min(stop - len(self.gap), len(self.order)))
        return (*range(start, min(stop, self.gap.start)), *after)


@dataclass(frozen=True, slots=True)
class Policy:
    """A score policy.

    Attributes:
        combine: (engine scores, probabilities, parameter) -> a value from 0 to 1 per hit, by which hits are sorted.
        parameter: Default value of the policy's parameter; 0 if it has none.
        window: value -> `_score` of a hit in the window.
        tail: engine score -> `_score` of a hit in the tail, after the window.
        compared: Values of the parameter that `es-rerank tune` tries; empty if another policy gives the same order.

    """

    combine: Combine
    parameter: float
    window: Callable[[float], float]
    tail: Callable[[float], float]
    compared: tuple[float, ...] = ()


def squash(score: float) -> float:
    """Map an engine score b to [0, 1) with b / (b + 10); negative scores are mapped to 0.

    Computed as 1 - 10 / (b + 10), which is monotonic even after rounding, and capped below 1 for infinite scores.
    """
    return min(1 - _TAIL_MIDPOINT / (max(score, 0.0) + _TAIL_MIDPOINT), math.nextafter(1.0, 0.0))


def _model(_engine: Sequence[float], model: Sequence[float], _parameter: float) -> Sequence[float]:
    """Return the model's probabilities."""
    return model


def _linear(engine: Sequence[float], model: Sequence[float], weight: float) -> Sequence[float]:
    """Return the weighted mean of the model's probability and the squashed engine score."""
    return [weight * p + (1 - weight) * squash(b) for b, p in zip(engine, model, strict=True)]


def _rrf(_engine: Sequence[float], model: Sequence[float], constant: float) -> Sequence[float]:
    """Combine the engine's rank and the model's rank: the mean of (k + 1) / (k + rank), which is 1 if both ranks are 1.

    Formula: Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion", SIGIR 2009, scaled to [0, 1]. Hits with equal
    probabilities share the better rank.
    """
    model_ranks = {p: rank for rank, p in reversed(list(enumerate(sorted(model, reverse=True), 1)))}
    return [
        ((constant + 1) / (constant + engine_rank) + (constant + 1) / (constant + model_ranks[p])) / 2
        for engine_rank, p in enumerate(model, 1)
    ]


def _blend(engine: Sequence[float], model: Sequence[float], weight: float) -> Sequence[float]:
    """Return the weighted mean of the model's score and the engine's score, both scaled to [0, 1] over the window.

    The model's score is the log-odds of the probability. For an embedding model, this is a linear function of the
    cosine, so the result does not depend on the formula that converts cosines to probabilities.
    """
    odds = _min_max([_log_odds(p) for p in model], _LOG_ODDS_ROUNDING)
    return [weight * m + (1 - weight) * b for m, b in zip(odds, _min_max(engine, 0.0), strict=True)]


def _min_max(scores: Sequence[float], rounding: float) -> Sequence[float]:
    """Scale scores linearly, so that the lowest becomes 0 and the highest 1.

    Scores that differ by at most *rounding*, and a single score, all become 1, the value of the highest score.
    """
    lowest, highest = min(scores, default=0.0), max(scores, default=0.0)
    if highest - lowest <= rounding:
        return [1.0] * len(scores)
    return [(score - lowest) / (highest - lowest) for score in scores]


def _log_odds(probability: float) -> float:
    """Return log(p / (1 - p)), the inverse of the sigmoid, limited to about -21 to 21."""
    limited = min(max(probability, _MIN_ODDS_PROBABILITY), 1 - _MIN_ODDS_PROBABILITY)
    return math.log(limited / (1 - limited))


def _probability_tail(score: float) -> float:
    """Map an engine score to a `_score` lower than any in the window."""
    return _MIN_WINDOW_PROBABILITY * squash(score)


POLICIES: Mapping[str, Policy] = {
    "replace": Policy(_model, 0.0, lambda value: 1 + value, squash, (0.0,)),
    "probability": Policy(_model, 0.0, lambda value: max(value, _MIN_WINDOW_PROBABILITY), _probability_tail),
    "linear": Policy(_linear, 0.7, lambda value: 1 + value, squash, (0.9, 0.7, 0.5, 0.3)),
    "blend": Policy(_blend, 0.7, lambda value: 1 + value, squash, (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)),
    "rrf": Policy(_rrf, 60.0, lambda value: 1 + value, squash, (60.0, 10.0)),
    "keep": Policy(_model, 0.0, lambda value: value, lambda score: score),
}


def rank(
    spec: PolicySpec,
    engine: Sequence[float],
    model: Sequence[float | None],
    minimum: MinProbability | None = None,
    first: int | None = None,
) -> Ranking:
    """Return the ranking of fetched hits: pinned hits, then scored hits by the value of the policy, then the others.

    The others are in the engine's order.

    Args:
        spec: The policy and its parameter.
        engine: The engine's score of every fetched hit, in the engine's order.
        model: A probability from 0 to 1 for each hit of the window (the first hits of *engine*); None if not scored.
        minimum: The lowest probability, and whether hits below it are dropped or moved to the end. Pinned hits and
            *first* keep their places. None for no limit.
        first: Position of a scored hit that comes before the others and gets the highest value.

    """
    policy = POLICIES[spec.name]
    pinned = [index for index, score in enumerate(engine) if score >= PINNED]
    valued = _valued(spec, engine, model, first)
    low = _low(valued, model, minimum, first)
    kept = [(index, value) for index, value in valued if index not in low] if low else valued
    below = minimum.below if minimum else LowHits.DROP
    above = {*pinned, *(index for index, _ in valued)}
    rest = [] if below is LowHits.ONLY_SCORED else [index for index in range(len(engine)) if index not in above]
    last = low if below is LowHits.LAST else []
    gap = range(len(model) - len(low), len(model)) if below is LowHits.DROP and low else range(0)
    order = (*pinned, *(index for index, _ in kept), *rest, *last)
    if spec.name == "keep":
        return Ranking(order, (*engine[: gap.start], *engine[gap.stop :])[: len(order)], gap)
    scores = [policy.window(value) for _, value in kept] + [policy.tail(engine[index]) for index in rest]
    return Ranking(order, (*(None for _ in pinned), *scores, *(0.0 for _ in last)), gap)


def _valued(
    spec: PolicySpec, engine: Sequence[float], model: Sequence[float | None], first: int | None
) -> list[tuple[int, float]]:
    """Return index and value of each scored hit, highest value first. *first* comes first, with the highest value."""
    policy = POLICIES[spec.name]
    scored = [(index, p) for index, p in enumerate(model) if p is not None and engine[index] < PINNED]
    values = _combine(policy, spec, [engine[index] for index, _ in scored], [p for _, p in scored])
    valued = [(index, value) for (index, _), value in zip(scored, values, strict=True)]
    # The sort is stable, also with `reverse`, so hits with equal values keep the engine's order.
    valued.sort(key=itemgetter(1), reverse=True)
    if first is None or not valued:
        return valued
    return [(first, valued[0][1]), *(hit for hit in valued if hit[0] != first)]


def _low(
    valued: Sequence[tuple[int, float]],
    model: Sequence[float | None],
    minimum: MinProbability | None,
    first: int | None,
) -> list[int]:
    """Return the positions of the scored hits with a probability below the minimum, except *first*."""
    if minimum is None:
        return []
    return [index for index, _ in valued if index != first and (model[index] or 0.0) < minimum.value]


def _combine(policy: Policy, spec: PolicySpec, engine: Sequence[float], model: Sequence[float]) -> Sequence[float]:
    """Return the policy's value for each hit, with the rule's parameter or, if it has none, the default."""
    return policy.combine(engine, model, policy.parameter if spec.parameter is None else spec.parameter)
