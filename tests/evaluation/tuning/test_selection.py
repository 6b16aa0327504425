from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.evaluation.tuning.candidates import Candidate
from es_rerank.evaluation.tuning.selection import Verdict, cost, fold_numbers, propose
from es_rerank.evaluation.tuning.values import Pool
from es_rerank.model import PolicySpec

from .builders import BAD, GOOD, RULE, pool, pools, selector


def test_of_equally_good_rules_the_cheapest_is_chosen() -> None:
    """Every policy with the answer in the window is right for these queries."""
    found = selector(pools(relevant=1, model=(0.1, 0.9, 0.2, 0.3)))
    chosen = found.choose(np.arange(10))
    assert chosen.place == (0, 2)
    assert cost(found.outcomes, chosen).tokens == 200
    assert cost(found.outcomes, chosen).passages == 2


def test_only_the_given_queries_choose() -> None:
    found = selector([*pools(5), *(pool(f"r{at}", 0, BAD) for at in range(5))])
    assert found.choose(np.arange(5)).place == (0, 4)
    assert found.choose(np.arange(5, 10)).place == (0, 2)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (pools(), Verdict.CURRENT),
        (pools(relevant=1, model=(0.1, 0.9, 0.2, 0.3)), Verdict.TUNED),
        (pools(relevant=0, model=GOOD), Verdict.OFF),
        (pools(relevant=0, model=BAD), Verdict.OFF),
        (pools(relevant=0, model=(None,) * 4), Verdict.OFF),
    ],
)
def test_nothing_is_proposed_that_is_not_better_than_the_engine(found: list[Pool], verdict: Verdict) -> None:
    proposal = propose(selector(found), 5, 1)
    assert proposal.verdict is verdict
    assert proposal.proposed.mean() >= proposal.engine.mean()
    if verdict is Verdict.OFF:
        assert proposal.proposed.tolist() == proposal.engine.tolist()


@given(
    st.lists(st.tuples(st.integers(0, 3), st.permutations((0.1, 0.4, 0.6, 0.9))), min_size=5, max_size=12),
    st.integers(2, 6),
    st.integers(0, 5),
)
def test_the_proposal_is_never_below_the_engine_on_held_out_queries(
    rows: list[tuple[int, list[float]]], folds: int, seed: int
) -> None:
    found = selector([pool(f"q{at}", relevant, model) for at, (relevant, model) in enumerate(rows)])
    proposal = propose(found, folds, seed)
    engine, current, held_out = (values.mean() for values in (proposal.engine, proposal.current, proposal.held_out))
    assert proposal.proposed.mean() >= engine
    if proposal.verdict is Verdict.TUNED:
        assert held_out > engine
        assert held_out >= current
    elif proposal.verdict is Verdict.CURRENT:
        assert current > engine
    else:
        assert current <= engine
    assert len(proposal.folds) == min(folds, len(rows))
    assert propose(found, folds, seed).held_out.tolist() == proposal.held_out.tolist()


def test_each_fold_is_measured_with_a_rule_that_the_other_folds_choose() -> None:
    """One query is unlike the others. The fold that holds it must not profit from it."""
    odd = pool("odd", 0, BAD)
    rows = [*pools(9), odd]
    found = selector(rows)
    proposal = propose(found, 10, 1)
    assert proposal.held_out[9] == found.of(found.choose(np.arange(9)))[9]


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 9))
def test_folds_differ_in_size_by_at_most_one(count: int, folds: int, seed: int) -> None:
    sizes = Counter(fold_numbers(count, folds, seed).tolist())
    assert sum(sizes.values()) == count
    assert max(sizes.values()) - (min(sizes.values()) if len(sizes) == folds else 0) <= 1


def test_protection_is_chosen_only_if_it_improves_the_mean() -> None:
    """In half of the queries, the model prefers another hit to an exact match, more than any weight can make up for."""
    found = selector([*pools(5), *(pool(f"r{at}", 0, (0.45, 0.44, 0.43, 0.9), exact=True) for at in range(5))])
    chosen = found.choose(np.arange(10))
    assert chosen.protect is not None
    assert found.of(chosen).mean() == 1
    assert found.of(Candidate(chosen.place, chosen.policy)).mean() < 1
    assert selector(pools()).choose(np.arange(10)).protect is None
    assert RULE.policy == PolicySpec("replace")
