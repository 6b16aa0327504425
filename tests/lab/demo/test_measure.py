"""success@1 and nDCG@10 of small runs, computed by hand."""

from __future__ import annotations

import math

import pytest

from es_rerank_lab.demo.client import Hit
from es_rerank_lab.demo.corpus import Query
from es_rerank_lab.demo.measure import Comparison, Row, by_language, first_hit_answers


def hits(*keys: str) -> list[Hit]:
    return [Hit(key, key, 1.0) for key in keys]


def comparison(key: str, lang: str, before: list[Hit], after: list[Hit]) -> Comparison:
    return Comparison(Query(key, lang, key, {"right": 2, "near": 1}, ""), before, after)


def test_only_grade_2_answers_a_query() -> None:
    query = Query("q", "en", "q", {"right": 2, "near": 1}, "")
    assert first_hit_answers(query, hits("right", "other"))
    assert not first_hit_answers(query, hits("near", "right"))
    assert not first_hit_answers(query, [])


def test_rows_are_sorted_by_language_with_the_total_at_the_end() -> None:
    rows = by_language(
        [
            comparison("a", "en", hits("other", "right"), hits("right", "other")),
            comparison("b", "zh", hits("right"), hits("near", "right")),
        ]
    )
    assert [(row.language, row.queries) for row in rows] == [("en", 1), ("zh", 1), ("all", 2)]
    assert [(row.before.top_1, row.after.top_1) for row in rows] == [(0, 1), (1, 0), (0.5, 0.5)]
    assert [row.lost for row in rows] == [[], ["b"], ["b"]]


def test_ndcg_is_dcg_divided_by_the_ideal_dcg() -> None:
    row: Row = by_language([comparison("a", "en", hits("other", "right"), hits("right", "near"))])[0]
    ideal = 2 + 1 / math.log2(3)
    assert row.before.ndcg == pytest.approx(2 / math.log2(3) / ideal)
    assert row.after.ndcg == pytest.approx(1)
