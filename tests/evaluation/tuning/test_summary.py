from __future__ import annotations

from es_rerank.evaluation.tuning.selection import Verdict
from es_rerank.evaluation.values import Side

from .builders import BAD, PLACES, pool, pools, summary


def test_what_the_outputs_show() -> None:
    found, proposal = summary([*pools(9, 1, (0.1, 0.9, 0.2, 0.3)), pool("worse", 0, (0.1, 0.9, 0.2, 0.3))])
    assert proposal.verdict is Verdict.TUNED
    assert [one.comparison.query.id for one in found.worse] == ["worse"]
    assert len(found.better) == 9
    assert found.better[0].change > 0
    assert found.worse[0].comparison.of(Side.BASELINE).ids == ("d0", "d1", "d2")
    assert found.worse[0].comparison.of(Side.ENDPOINT).ids == ("d1", "d0", "d2")
    assert found.chosen.candidate == proposal.chosen
    assert found.current.cost.tokens == 400
    assert {point.candidate.place for point in found.places} == set(PLACES)


def test_the_frontier_has_no_rule_that_a_cheaper_one_equals() -> None:
    found, _ = summary([*pools(5, 1, (0.1, 0.9, 0.2, 0.3)), *pools(5, 3)][:5] + [pool(f"r{at}", 3) for at in range(5)])
    frontier = found.frontier()
    assert [point.candidate.place for point in frontier] == [(0, 2), (0, 4)]
    assert [point.value for point in frontier] == sorted(point.value for point in frontier)
    assert found.engine < frontier[0].value


def test_without_a_proposal_no_query_changes() -> None:
    found, proposal = summary(pools(6, 0, (0.2, 0.9, 0.3, 0.4)))
    assert proposal.verdict is Verdict.OFF
    assert (found.worse, found.better, found.frontier()) == ([], [], [])
    assert BAD[0] > BAD[1]
