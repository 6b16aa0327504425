from __future__ import annotations

import math
from dataclasses import replace

import pytest

from es_rerank.evaluation.tuning.candidates import Candidate
from es_rerank.evaluation.tuning.outcomes import Outcomes, hits, shown
from es_rerank.model import MinProbability, PolicySpec, Protection

from .builders import CUTOFFS, ENGINE, GOOD, HITS, pool, pools

REPLACE = Candidate((0, 4), PolicySpec("replace"))


@pytest.mark.parametrize(
    ("candidate", "order"),
    [
        (REPLACE, (3, 2, 1)),
        (replace(REPLACE, place=(0, 2)), (1, 0, 2)),
        (replace(REPLACE, place=(1, 4)), (0, 1, 2)),
        (replace(REPLACE, policy=PolicySpec("blend", 0.0)), (0, 1, 2)),
        (replace(REPLACE, minimum=MinProbability(0.25)), (3, 2)),
        (replace(REPLACE, protect=Protection(1.1, 1.0)), (0, 3, 2)),
    ],
)
def test_the_order_under_a_candidate(candidate: Candidate, order: tuple[int, ...]) -> None:
    found = pool("q", 3)
    assert shown(found, candidate, 3) == order
    assert hits(found, order) == tuple(HITS[at] for at in order)


def test_an_exact_match_is_protected() -> None:
    candidate = replace(REPLACE, protect=Protection(2.0, 0.9))
    assert shown(pool("q", 3, exact=True), candidate, 1) == (0,)
    assert shown(pool("q", 3), candidate, 1) == (3,)


def test_queries_are_measured_with_the_first_measure() -> None:
    outcomes = Outcomes([pool("one", 3), pool("two", 2)], CUTOFFS)
    assert outcomes.engine == pytest.approx([0, 1 / math.log2(4)])
    values = outcomes.matrix([REPLACE, replace(REPLACE, place=(1, 4))])
    assert values.tolist() == [pytest.approx([1, 1 / math.log2(3)]), pytest.approx([0, 0.5])]
    assert outcomes.of([(0, 1, 3), (2,)]) == pytest.approx([0.5, 1])


def test_pools_of_equal_hits_have_their_own_judgments() -> None:
    found = Outcomes(pools(2) + pools(1, 0), CUTOFFS)
    assert found.engine.tolist() == [0, 0, 1]
    assert len(ENGINE) == len(GOOD)
