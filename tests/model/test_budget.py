from __future__ import annotations

import json

import pytest

from es_rerank.model import PlanningBudget

BUDGET = PlanningBudget(values=100, objects=20)


@pytest.mark.parametrize(
    ("body", "covered"),
    [
        ({"a": list(range(99))}, True),
        ({"a": list(range(101))}, False),
        ([{}] * 20, True),
        ([{}] * 21, False),
        ({"a": "x" * 1000}, True),
    ],
)
def test_a_body_is_covered_up_to_a_number_of_values_and_objects(body: object, covered: bool) -> None:
    assert BUDGET.covers(json.dumps(body).encode()) is covered


def test_searches_that_are_planned_together_share_one_budget() -> None:
    whole = PlanningBudget()
    assert whole.shared(1) == whole
    assert whole.shared(2).objects * 2 == whole.objects
    assert whole.shared(1000) == whole.shared(8)
    assert whole.shared(0) == whole
