from __future__ import annotations

from dataclasses import replace

import pytest

from es_rerank.evaluation.measures import Cutoffs
from es_rerank.evaluation.summary import Summary, summarize
from es_rerank.evaluation.values import Comparison, FoundHit, Query, SearchRecord, Side

from .builders import comparison, record

COMPARISONS = [
    comparison("win", {"a": 1.0}, ["b", "a"], ["a", "b"], lang="en"),
    comparison("loss", {"a": 1.0}, ["a", "b", "c"], ["b", "c", "a"], lang="de"),
    comparison("equal", {"a": 1.0}, ["a"], ["a"], lang="de"),
    comparison("small loss", {"a": 1.0}, ["a", "b"], ["b", "a"]),
]


@pytest.fixture(scope="module")
def summary() -> Summary:
    return summarize(COMPARISONS, Cutoffs(), "lang")


def test_queries_are_sorted_from_the_greatest_loss_to_the_greatest_win(summary: Summary) -> None:
    assert [one.comparison.query.id for one in summary.queries] == ["loss", "small loss", "equal", "win"]
    assert [round(one.change, 3) for one in summary.queries] == [-0.5, -0.369, 0, 0.369]


def test_rows_are_means_over_the_queries_of_a_group(summary: Summary) -> None:
    assert [(group.name, group.queries) for group in summary.groups] == [("(none)", 1), ("de", 2), ("en", 1)]
    assert summary.total.queries == 4
    rows = {row.measure.name: row for row in summary.total.rows}
    assert (rows["success@1"].baseline, rows["success@1"].endpoint) == (0.75, 0.5)
    assert rows["success@1"].difference.mean == -0.25
    assert (rows["mrr@10"].baseline, rows["mrr@10"].endpoint) == (3.5 / 4, pytest.approx((2.5 + 1 / 3) / 4))
    german = {row.measure.name: row for row in summary.groups[1].rows}
    assert (german["success@1"].baseline, german["success@1"].endpoint) == (1, 0.5)


def test_without_a_field_there_are_no_groups() -> None:
    assert summarize(COMPARISONS, Cutoffs()).groups == []


def test_times_and_outcomes_are_counted() -> None:
    outcomes = (
        "reranked; window=3; cached=1; model=m",
        "skipped; why=sort",
        "failed; why=deadline",
        "",
        "reranked; window=2; of=3",
    )
    comparisons = [
        Comparison(Query(str(at), "q"), {"a": 1.0}, record(["a"], at / 10), record(["a"], at, outcome))
        for at, outcome in enumerate(outcomes, 1)
    ]
    found = summarize(comparisons, Cutoffs())
    assert found.outcomes == {
        "reranked": 1,
        "skipped; why=sort": 1,
        "failed; why=deadline": 1,
        "no X-Rerank header": 1,
        "window reduced": 1,
    }
    assert found.seconds[Side.BASELINE][50] == pytest.approx(0.3)
    assert found.seconds[Side.ENDPOINT][50] == pytest.approx(3)
    assert found.changed_sets == 0


def test_different_sets_of_hits_are_counted() -> None:
    assert summarize([comparison("q", {"a": 1.0}, ["a", "b"], ["b", "c"])], Cutoffs()).changed_sets == 1


def test_each_window_is_compared_with_the_baseline() -> None:
    one = replace(COMPARISONS[1], windows={10: record(["a", "b"]), 2: record(["b", "a"])})
    found = summarize([one], Cutoffs())
    rows = {window: group.rows[1] for window, group in found.windows.items()}
    assert {window: (row.measure.name, row.baseline, row.endpoint) for window, row in rows.items()} == {
        10: ("success@1", 1, 1),
        2: ("success@1", 1, 0),
    }
    assert found.total.rows[1].endpoint == 0
    assert summarize(COMPARISONS, Cutoffs()).windows == {}


def test_a_comparison_has_two_sides_and_a_search_has_each_id_once() -> None:
    one = COMPARISONS[0]
    assert (one.of(Side.BASELINE), one.of(Side.ENDPOINT)) == (one.baseline, one.endpoint)
    assert SearchRecord((FoundHit("a"), FoundHit("b"), FoundHit("a")), 0.1).ids == ("a", "b")
