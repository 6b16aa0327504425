"""Engine scores x model scores -> the new order and the `_score` the client sees. One row a policy.

Every policy keeps three promises: scores are finite and not below zero, they fall over all pages without state, and
equal values keep the engine's order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from es_rerank.model import PolicySpec

# An engine score of this size lies in the middle of the tail's range. BM25 scores of a few words are of that order.
_HALF = 10.0
# `probability` leaves this room below the window for the tail.
_FLOOR = 1e-6

Values = Callable[[Sequence[float], Sequence[float], float], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The new order of the fetched hits as indices into the engine's, and the score at each place of it."""

    order: tuple[int, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """One row: `values` of engine scores, probabilities and the parameter, in [0, 1]; then what is shown."""

    values: Values
    parameter: float
    shown: Callable[[float], float]
    tail: Callable[[float], float]


def squash(score: float) -> float:
    """Map an engine score to [0, 1): b / (b + c), written so that rounding cannot turn two scores around."""
    return min(1 - _HALF / (max(score, 0.0) + _HALF), math.nextafter(1.0, 0.0))


def _model(_engine: Sequence[float], model: Sequence[float], _parameter: float) -> Sequence[float]:
    """Order by the model alone."""
    return model


def _linear(engine: Sequence[float], model: Sequence[float], weight: float) -> Sequence[float]:
    """Weigh the model's probability against the squashed engine score."""
    return [weight * p + (1 - weight) * squash(b) for b, p in zip(engine, model, strict=True)]


def _rrf(_engine: Sequence[float], model: Sequence[float], constant: float) -> Sequence[float]:
    """Fuse both ranks: the mean of (k + 1) / (k + rank), so that first in both lists is 1.

    Formula: Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion", SIGIR 2009, scaled to [0, 1]. Hits that the
    model finds equal share their rank.
    """
    places = {p: place for place, p in reversed(list(enumerate(sorted(model, reverse=True), 1)))}
    return [
        ((constant + 1) / (constant + rank) + (constant + 1) / (constant + places[p])) / 2
        for rank, p in enumerate(model, 1)
    ]


POLICIES: Mapping[str, Policy] = {
    "replace": Policy(_model, 0.0, lambda value: 1 + value, squash),
    "probability": Policy(_model, 0.0, lambda value: max(value, _FLOOR), lambda score: _FLOOR * squash(score)),
    "linear": Policy(_linear, 0.7, lambda value: 1 + value, squash),
    "rrf": Policy(_rrf, 60.0, lambda value: 1 + value, squash),
    "keep": Policy(_model, 0.0, lambda value: value, lambda score: score),
}


def rank(spec: PolicySpec, engine: Sequence[float], model: Sequence[float | None]) -> Ranking:
    """Order the fetched hits: scored ones by their value, then the rest of window and tail in the engine's order.

    `engine` holds the engine's score of every fetched hit, `model` a probability (or None: no text) for each
    hit of the window, which is the head of that list.
    """
    policy = POLICIES[spec.name]
    scored = [at for at, p in enumerate(model) if p is not None]
    values = _values(policy, spec, [engine[at] for at in scored], [p for p in model if p is not None])
    ranked = sorted(zip(scored, values, strict=True), key=lambda pair: -pair[1])
    rest = sorted(set(range(len(engine))) - set(scored))
    order = tuple(at for at, _ in ranked) + tuple(rest)
    if spec.name == "keep":
        return Ranking(order, tuple(engine))
    shown = [policy.shown(value) for _, value in ranked] + [policy.tail(engine[at]) for at in rest]
    return Ranking(order, tuple(shown))


def _values(policy: Policy, spec: PolicySpec, engine: Sequence[float], model: Sequence[float]) -> Sequence[float]:
    """Apply a row with its own parameter or the rule's."""
    return policy.values(engine, model, policy.parameter if spec.parameter is None else spec.parameter)
