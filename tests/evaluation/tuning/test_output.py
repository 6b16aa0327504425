from __future__ import annotations

import pytest

from es_rerank.evaluation.tuning.output import as_json

from .builders import pool, pools, summary

MODEL = (0.1, 0.9, 0.2, 0.3)


def test_the_json_has_each_query_with_both_orders() -> None:
    found, proposal = summary([*pools(9, 1, MODEL), pool("worse", 0, MODEL)])
    values = as_json(found)
    assert values["verdict"] == "tuned"
    assert values["queries"][0] == {
        "id": "worse",
        "text": "text of worse",
        "engine": 1.0,
        "proposed": pytest.approx(0.631, abs=1e-3),
        "hits": {"engine": ["d0", "d1", "d2"], "proposed": ["d1", "d0", "d2"]},
    }
    assert values["held_out"]["value"] == pytest.approx(proposal.held_out.mean())
    assert values["chosen"]["policy"] == str(proposal.chosen.policy)
    assert len(values["fold_rules"]) == 5
    assert {(one["variant"], one["window"]) for one in values["rules"]} == {
        (variant, window) for variant in ("as now", "only title") for window in (2, 4)
    }
