from __future__ import annotations

from dataclasses import replace

import pytest

from es_rerank.evaluation import wording
from es_rerank.evaluation.measures import Cutoffs
from es_rerank.evaluation.summary import Summary, summarize
from es_rerank.evaluation.values import Comparison, Query
from es_rerank.evaluation.wording import Setup

from .builders import comparison, record

SETUP = Setup("docs", "http://e", "http://e", same=True, template="t.json", cutoffs=Cutoffs(), size=50)
WIN = [comparison(str(at), {"a": 1.0}, ["b", "a"], ["a", "b"], lang="en") for at in range(20)]
LOSS = [comparison(f"l{at}", {"a": 1.0}, ["a", "b"], ["b", "a"]) for at in range(2)]
EQUAL = [comparison("e", {"a": 1.0}, ["a"], ["a"])]


def summary(comparisons: list[Comparison], by: str | None = None) -> Summary:
    return summarize(comparisons, Cutoffs(), by)


@pytest.mark.parametrize(
    ("comparisons", "words"),
    [
        (
            WIN,
            (
                "nDCG@10 rises from 0.631 to 1.000 (+0.369, 95 % interval +0.369 to +0.369, p < 0.001). "
                "Queries: 20 better, 0 worse, 0 equal."
            ),
        ),
        (
            LOSS,
            (
                "nDCG@10 falls from 1.000 to 0.631 (-0.369, 95 % interval -0.369 to -0.369, p = 0.500; it can be "
                "chance). Queries: 0 better, 2 worse, 0 equal."
            ),
        ),
        (EQUAL, "nDCG@10 stays at 1.000. Queries: 0 better, 0 worse, 1 equal."),
    ],
)
def test_the_verdict(comparisons: list[Comparison], words: str) -> None:
    assert wording.verdict(summary(comparisons)) == words


def test_the_cells_of_the_tables() -> None:
    found = summary(WIN + EQUAL, "lang")
    rows = wording.measure_rows(found.total)
    assert [row[0] for row in rows] == ["nDCG@10", "Success@1", "MRR@10", "Recall@50", "Judged@10"]
    assert rows[1][:4] == ("Success@1", "0.048", "1.000", "+0.952")
    assert rows[1][5] == "< 0.001"
    assert rows[3] == ("Recall@50", "1.000", "1.000", "+0.000", "+0.000 to +0.000", "1.000")
    assert [row[0] for row in wording.group_rows(found.groups)] == ["(none) (1)", "en (20)"]
    assert {len(row) for row in [*rows, *wording.group_rows(found.groups)]} == {len(wording.HEAD)}


def test_nothing_is_noted_about_a_complete_evaluation() -> None:
    assert wording.notes(summary(WIN), SETUP) == []


@pytest.mark.parametrize(
    ("one", "setup", "note"),
    [
        (
            Comparison(Query("q", "q"), {"a": 1.0}, record(["a"]), record(["a"], outcome="skipped; why=sort")),
            SETUP,
            "Searches of the endpoint that were not reranked completely: 1 of 1 (skipped; why=sort).",
        ),
        (
            comparison("q", {"a": 1.0}, ["a", "b"], ["b", "a"]),
            replace(SETUP, unjudged=3),
            "Queries without judgments, which were not evaluated: 3.",
        ),
        (
            comparison("q", {"a": 1.0}, ["a"], ["a"]),
            replace(SETUP, unmatched=2),
            "Judged queries that are not in the file of queries: 2.",
        ),
        (
            comparison("q", {"a": 1.0, "b": 0.0}, ["a", "b"], ["a", "c"]),
            SETUP,
            (
                "The endpoint shows fewer judged documents than the baseline (Judged@10 is 0.500 and 1.000). Unjudged "
                "documents count as not relevant, so its measures are too low."
            ),
        ),
        (
            comparison("q", {"a": 1.0}, ["a"], ["a", "c"]),
            SETUP,
            "Queries for which both sides returned different sets of hits: 1.",
        ),
        (
            comparison("q", {"a": 0.5}, ["a"], ["a"]),
            SETUP,
            "No hit has a rating of at least 1. See --relevant.",
        ),
    ],
)
def test_what_a_reader_must_know_is_noted(one: Comparison, setup: Setup, note: str) -> None:
    assert note in wording.notes(summary([one]), setup)


def test_the_method_names_both_sides() -> None:
    assert "Baseline: the same endpoint with X-Rerank-Mode: off." in wording.method(SETUP)
    other = replace(SETUP, same=False, baseline="http://b", cutoffs=Cutoffs(relevant=2))
    assert "Baseline: http://b." in wording.method(other)
    assert "from a rating of 2;" in wording.method(other)
