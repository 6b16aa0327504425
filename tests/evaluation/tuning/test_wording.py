from __future__ import annotations

from es_rerank.evaluation.tuning import wording
from es_rerank.evaluation.tuning.candidates import Candidate
from es_rerank.model import MinProbability, PolicySpec, Protection

from .builders import VARIANTS, pool, pools, summary

MODEL = (0.1, 0.9, 0.2, 0.3)


def test_the_table_of_rules() -> None:
    found, _ = summary(pools(10, 1, MODEL))
    assert wording.head(found) == ("rule", "window", "policy", "passages", "tokens", "nDCG@3", "difference")
    rows = wording.rows(found)
    assert [row[0] for row in rows] == ["engine", "current rule", "as now", "chosen rule"]
    assert rows[0] == ("engine", "", "", "0", "0", "0.631", "")
    assert rows[1] == ("current rule", "4", "replace", "4", "400", "1.000", "+0.369")
    assert rows[-1][1:] == ("2", "replace", "2", "200", "1.000", "+0.369")


def test_the_proposal_and_its_evidence() -> None:
    found, _ = summary(pools(10, 1, MODEL))
    chosen, evidence, advice = wording.verdict(found)
    assert chosen == "Chosen rule: window 2, replace, passages: as now."
    assert evidence == (
        "nDCG@3 on held-out queries (5 folds, seed 1): engine 0.631, current rule 1.000, rule chosen without them "
        "1.000 (+0.369, 95 % interval +0.369 to +0.369, p = 0.002). 5 of 5 folds result in the chosen rule."
    )
    assert advice == "Proposed: the chosen rule."
    assert "mode: off" in wording.verdict(summary(pools(6, 0, (0.2, 0.9, 0.3, 0.4)))[0])[2]
    assert "keep the current rule" in wording.verdict(summary(pools())[0])[2]


def test_every_query_that_gets_worse_is_named() -> None:
    found, _ = summary([*pools(9, 1, MODEL), pool("worse", 0, MODEL)])
    assert list(wording.worse(found)) == [
        "Queries that are worse than in the engine's order: 1 of 10 (nDCG@3):",
        "  1.000 -> 0.631  worse: text of worse",
    ]
    assert list(wording.worse(summary(pools(10, 1, MODEL))[0])) == [
        "No query of 10 is worse than in the engine's order (nDCG@3)."
    ]
    comments = wording.comments(found)
    assert comments[0].startswith("Proposed by es-rerank tune: 10 judged queries, index docs, model a model")
    assert "engine: 0.668" in comments
    assert comments[-1] == "  1.000 -> 0.631  worse: text of worse"


def test_a_rule_in_one_line() -> None:
    candidate = Candidate((1, 20), PolicySpec("blend", 0.5), Protection(2.0, 0.5), MinProbability(0.1))
    assert wording.description(candidate, VARIANTS) == (
        "window 20, blend(0.5), passages: only title, protect (score_ratio 2, margin 0.5), min_probability 0.1 (drop)"
    )
