"""Top-1 and nDCG of small runs whose values are known by hand."""

from __future__ import annotations

import math

import pytest

from es_rerank_lab.demo.client import Found
from es_rerank_lab.demo.corpus import Query
from es_rerank_lab.demo.measure import Asked, Row, by_language, right


def hits(*keys: str) -> list[Found]:
    return [Found(key, key, 1.0) for key in keys]


def asked(key: str, lang: str, before: list[Found], after: list[Found]) -> Asked:
    return Asked(Query(key, lang, key, {"right": 2, "near": 1}, ""), before, after)


def test_a_first_hit_is_right_when_it_answers() -> None:
    query = Query("q", "en", "q", {"right": 2, "near": 1}, "")
    assert right(query, hits("right", "other"))
    assert not right(query, hits("near", "right"))
    assert not right(query, [])


def test_rows_by_language_then_all() -> None:
    rows = by_language(
        [
            asked("a", "en", hits("other", "right"), hits("right", "other")),
            asked("b", "zh", hits("right"), hits("near", "right")),
        ]
    )
    assert [(row.language, row.queries) for row in rows] == [("en", 1), ("zh", 1), ("all", 2)]
    assert [(row.before.top_1, row.after.top_1) for row in rows] == [(0, 1), (1, 0), (0.5, 0.5)]
    assert [row.lost for row in rows] == [[], ["b"], ["b"]]


def test_ndcg_is_the_discounted_gain_over_the_ideal_one() -> None:
    row: Row = by_language([asked("a", "en", hits("other", "right"), hits("right", "near"))])[0]
    ideal = 2 + 1 / math.log2(3)
    assert row.before.ndcg == pytest.approx(2 / math.log2(3) / ideal)
    assert row.after.ndcg == pytest.approx(1)
