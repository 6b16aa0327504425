"""The output of the demo as text."""

from __future__ import annotations

import io

from rich.console import Console

from es_rerank_lab.demo import show
from es_rerank_lab.demo.client import Hit
from es_rerank_lab.demo.corpus import Query
from es_rerank_lab.demo.measure import Comparison, Measured, Row

QUERY = Query("s", "zh", "怎样限制 [docker] 内存", {"a": 2, "b": 1}, "many say docker", "Container memory")


def recorded(width: int = 100) -> Console:
    return Console(width=width, record=True, file=io.StringIO())


def test_a_scenario_shows_both_rankings_and_marks_relevant_hits() -> None:
    console = recorded()
    before = [Hit("x", "noise", 3.0), Hit("b", "helps", 2.0), Hit("a", "answers", 1.0)]
    show.scenario(console, Comparison(QUERY, before, [before[2], before[1], before[0]]))
    text = console.export_text()
    first = next(line for line in text.splitlines() if "noise" in line and "answers" in line)
    assert first.index("noise") < first.index("✓ answers")
    assert "· helps" in text
    assert "怎样限制 [docker] 内存" in text
    assert "many say docker" in text


def test_a_row_without_improvement_has_a_note() -> None:
    one, half = Measured(1.0, 1.0), Measured(0.5, 0.6)
    assert show.note(Row("en", 2, half, one, [])) == ""
    assert show.note(Row("en", 2, one, one, [])) == "every first hit was relevant before"
    assert show.note(Row("en", 2, half, half, ["q-1"])) == "lost: q-1"
    assert show.note(Row("en", 2, half, half, [])) == "no first hit changed for better or worse"


def test_the_table_has_a_row_for_each_language_and_the_total() -> None:
    console = recorded(140)
    rows = [
        Row("hi", 3, Measured(0.3333, 0.5), Measured(1, 1), []),
        Row("all", 3, Measured(0.3333, 0.5), Measured(1, 1), []),
    ]
    show.languages(console, rows)
    text = console.export_text()
    assert "Hindi" in text
    assert "33%" in text
    assert "100%" in text
