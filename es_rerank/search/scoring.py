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
# The engines give pinned hits scores from here on (half the greatest float of 32 bits), so that no other comes near.
PINNED = 1.7e38

Values = Callable[[Sequence[float], Sequence[float], float], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The new order of the fetched hits as indices into the engine's, and the score at each place of it.

    A score of None is the engine's own.
    """

    order: tuple[int, ...]
    scores: tuple[float | None, ...]


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


def rank(
    spec: PolicySpec, engine: Sequence[float], model: Sequence[float | None], least: float | None = None
) -> Ranking:
    """Order the fetched hits: scored ones by their value, then the rest of window and tail in the engine's order.

    `engine` holds the engine's score of every fetched hit, `model` a probability (or None: no text) for each
    hit of the window, which is the head of that list. Pinned hits stay where the engine put them. With `least`,
    only hits that the model finds at least so probable are left, and pinned ones.
    """
    policy = POLICIES[spec.name]
    pinned = [at for at, score in enumerate(engine) if score >= PINNED]
    scored = [(at, p) for at, p in enumerate(model) if p is not None and engine[at] < PINNED]
    values = _values(policy, spec, [engine[at] for at, _ in scored], [p for _, p in scored])
    ranked = sorted(zip(scored, values, strict=True), key=lambda pair: -pair[1])
    kept = [(at, value) for (at, p), value in ranked if least is None or p >= least]
    known = {*pinned, *(at for at, _ in scored)}
    rest = [at for at in range(len(engine)) if at not in known] if least is None else []
    order = (*pinned, *(at for at, _ in kept), *rest)
    if spec.name == "keep":
        return Ranking(order, tuple(engine[: len(order)]))
    shown = [policy.shown(value) for _, value in kept] + [policy.tail(engine[at]) for at in rest]
    return Ranking(order, (*(None for _ in pinned), *shown))


def _values(policy: Policy, spec: PolicySpec, engine: Sequence[float], model: Sequence[float]) -> Sequence[float]:
    """Apply a row with its own parameter or the rule's."""
    return policy.values(engine, model, policy.parameter if spec.parameter is None else spec.parameter)
