"""The rules that are compared with the same scores: policies, protection of known items, and lowest probabilities."""

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
    """What distinguishes a rule from the current one.

    Attributes:
        place: The variant and the window.
        policy: The policy.
        protect: When the engine's first hit stays first; None if never.
        minimum: Which hits are dropped; None if none are.

    """

    place: Place
    policy: PolicySpec
    protect: Protection | None = None
    minimum: MinProbability | None = None

    def rule(self, current: Rule, variants: Sequence[PassageVariant]) -> Rule:
        """Return the current rule with the changes of this candidate."""
        variant, window = self.place
        changed = variants[variant].applied(current, window)
        return replace(changed, policy=self.policy, protect=self.protect, min_probability=self.minimum)


def current(rule: Rule) -> Candidate:
    """Return the candidate that changes nothing."""
    return Candidate((0, rule.window), rule.policy, rule.protect, rule.min_probability)


def candidates(places: Sequence[Place], rule: Rule) -> list[Candidate]:
    """Return a candidate for each variant, window and policy. It protects and drops hits as the current rule does."""
    policies = dict.fromkeys((rule.policy, *_POLICIES))
    return [Candidate(place, policy, rule.protect, rule.min_probability) for place in places for policy in policies]


def extended(candidate: Candidate) -> Iterator[Candidate]:
    """Return a candidate with each protection and lowest probability, first without a change."""
    yield candidate
    for protect, minimum in product(_PROTECTIONS, _MINIMUMS):
        if (protect, minimum) != (candidate.protect, candidate.minimum):
            yield replace(candidate, protect=protect, minimum=minimum)
