"""Lists the rules to compare. They differ in passages, window, policy, protection of known items and `min_probability`.

The model's scores depend only on the passages and the window. All other keys are compared without scoring again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from es_rerank.evaluation.tuning.values import PassageVariant, Place
from es_rerank.model import MinProbability, PolicySpec, Protection, Rule
from es_rerank.search.scoring import POLICIES

_POLICIES = tuple(
    PolicySpec(name, value if row.parameter else None) for name, row in POLICIES.items() for value in row.compared
)
_PROTECTIONS = (None, *(Protection(ratio, margin) for ratio in (1.5, 1.2, 2.0) for margin in (0.5, 0.2)))
_MINIMUMS = (None, *(MinProbability(value) for value in (0.05, 0.1, 0.2, 0.3, 0.5)))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rule to compare: the current rule with other values of some keys.

    Attributes:
        place: The index of the passage variant, and the window.
        policy: The score policy.
        protect: The conditions for keeping the engine's first hit first; None to never keep it.
        minimum: The lowest probability, and what happens to hits below it; None for no limit.

    """

    place: Place
    policy: PolicySpec
    protect: Protection | None = None
    minimum: MinProbability | None = None

    def rule(self, current: Rule, variants: Sequence[PassageVariant]) -> Rule:
        """Return this candidate as a rule. Keys that are not compared, such as `index`, are taken from *current*."""
        variant, window = self.place
        changed = variants[variant].applied(current, window)
        return replace(changed, policy=self.policy, protect=self.protect, min_probability=self.minimum)


def current(rule: Rule) -> Candidate:
    """Return the candidate that is equal to the current rule."""
    return Candidate((0, rule.window), rule.policy, rule.protect, rule.min_probability)


def candidates(places: Sequence[Place], rule: Rule) -> list[Candidate]:
    """Return a candidate for each variant, window and policy. Other keys, such as `protect`, are taken from *rule*."""
    policies = dict.fromkeys((rule.policy, *_POLICIES))
    return [Candidate(place, policy, rule.protect, rule.min_probability) for place in places for policy in policies]


def extended(candidate: Candidate) -> Iterator[Candidate]:
    """Yield *candidate* itself, and then the same candidate with every other combination of `protect` and `minimum`."""
    yield candidate
    for protect, minimum in product(_PROTECTIONS, _MINIMUMS):
        if (protect, minimum) != (candidate.protect, candidate.minimum):
            yield replace(candidate, protect=protect, minimum=minimum)
