"""`es-rerank demo --once` on this machine: the real parts, the five scenarios, every language."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from es_rerank.demo import run as story
from es_rerank.demo import show
from es_rerank.demo.measure import Asked, Row, right
from es_rerank.demo.stack import Options
from es_rerank.parts.port import claim_port

from .models import Models

LANGUAGES = {"ar", "de", "en", "es", "fr", "hi", "ja", "ko", "ru", "zh"}


@pytest.fixture(scope="module")
def shown(models: Models) -> tuple[list[Asked], list[Row]]:
    """Run the demo once, keeping what it shows beside printing it."""
    models.stop()
    scenarios: list[Asked] = []
    rows: list[Row] = []
    with pytest.MonkeyPatch.context() as patch:
        print_scenario, print_languages = show.scenario, show.languages
        patch.setattr(show, "scenario", lambda console, one: (scenarios.append(one), print_scenario(console, one)))
        patch.setattr(show, "languages", lambda console, all_: (rows.extend(all_), print_languages(console, all_)))
        story.run(Options(port=claim_port()), Console(file=io.StringIO(), width=120), once=True)
    return scenarios, rows


@pytest.mark.timeout(900)
def test_the_right_document_comes_first_in_all_scenarios(shown: tuple[list[Asked], list[Row]]) -> None:
    scenarios, _ = shown
    assert [one.query.id for one in scenarios if not right(one.query, one.after)] == []
    assert [one.query.id for one in scenarios if right(one.query, one.before)] == []
    assert len(scenarios) == 5


def test_every_language_is_better_or_says_why_not(shown: tuple[list[Asked], list[Row]]) -> None:
    _, rows = shown
    assert {row.language for row in rows} == LANGUAGES | {"all"}
    assert all(row.after.top_1 > row.before.top_1 or show.note(row) for row in rows)
    assert rows[-1].after.top_1 > rows[-1].before.top_1 + 0.3
    assert rows[-1].after.ndcg > rows[-1].before.ndcg + 0.2
