from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from es_rerank.evaluation.client import Reply
from es_rerank.evaluation.values import Side
from es_rerank.load_test.report import Setup, as_json, lines
from es_rerank.load_test.tally import Tally
from es_rerank.load_test.values import Load

SETUP = Setup("http://e:9280", "http://e:9280", True, "docs", 20, Load(10, clients=4), 10.2, 0.3)  # noqa: FBT003
RERANKED = {"X-Rerank": "reranked; window=50; cached=0; model=m", "Server-Timing": "engine;dur=5, proxy;dur=2"}


def tally(count: int, seconds: float, busy: float, headers: dict[str, str]) -> Tally:
    found = Tally()
    for _ in range(count):
        found.add(Reply(200, headers, b"{}", seconds), seconds)
    found.busy_seconds = busy
    return found


@pytest.fixture
def tallies() -> dict[Side, Tally]:
    return {
        Side.BASELINE: tally(400, 0.01, 20, {"X-Rerank": "skipped; why=off"}),
        Side.ENDPOINT: tally(100, 0.04, 20, RERANKED),
    }


def test_the_ratios_compare_the_endpoint_with_the_baseline(tallies: dict[Side, Tally]) -> None:
    found = as_json(SETUP, tallies)
    assert found["load"] == {"clients": 4}
    assert found["sides"]["baseline"]["searches_per_second"] == 20
    assert found["sides"]["endpoint"]["searches_per_second"] == 5
    assert found["ratios"]["searches_per_second"] == 0.25
    assert found["ratios"]["p99"] == pytest.approx(4, rel=5e-3)
    assert found["sides"]["endpoint"]["outcomes"] == {"reranked": 100}
    assert found["sides"]["endpoint"]["server_timing"]["proxy"]["p50"] == pytest.approx(0.002, rel=1e-3)
    assert found["sides"]["endpoint"]["histogram_us"].startswith("HIST")


def test_the_load_of_an_open_loop_is_its_rate(tallies: dict[Side, Tally]) -> None:
    found = as_json(replace(SETUP, load=Load(10, rate=5)), tallies)
    assert found["load"] == {"rate": 5}
    assert found["sides"]["endpoint"]["searches_per_second"] == 5


def test_the_table_shows_both_sides(tallies: dict[Side, Tally]) -> None:
    shown = list(lines(as_json(SETUP, tallies), SETUP))
    assert shown[0] == "10 s, 4 clients, index docs, 20 queries"
    cells = {tuple(line.split()) for line in shown}
    assert ("baseline", "endpoint", "ratio") in cells
    assert ("searches/s", "20.0", "5.0", "0.25") in cells
    assert ("proxy", "2.0", "2.0", "2.0", "2.0") in cells
    assert ("100", "reranked") in cells
    assert not [line for line in shown if line.startswith("note:")]


def test_a_test_without_results_has_no_ratios() -> None:
    found = as_json(SETUP, {side: Tally() for side in Side})
    assert found["ratios"] == {}
    assert found["sides"]["endpoint"]["seconds"] == {}
    interrupted = replace(SETUP, interrupted=True)
    assert next(lines(found, interrupted)) == "10 s, 4 clients, index docs, 20 queries, interrupted"


def noted(found: dict[str, Any], setup: Setup) -> str:
    return "\n".join(line for line in lines(found, setup) if line.startswith("note: "))


def test_the_notes_say_why_the_numbers_may_mislead(tallies: dict[Side, Tally]) -> None:
    endpoint = tally(3, 0.1, 1, {})
    endpoint.add_error("status 429: full")
    endpoint.unsent = 7
    tallies[Side.ENDPOINT] = endpoint
    setup = replace(SETUP, processor=0.95)
    found = noted(as_json(setup, tallies), setup)
    assert "endpoint: 1 searches failed: status 429: full" in found
    assert "endpoint: 7 searches were due but not sent" in found
    assert "http://e:9280 sent responses without X-Rerank" in found
    assert "used 95% of a processor core" in found


def test_cached_scores_are_noted(tallies: dict[Side, Tally]) -> None:
    tallies[Side.ENDPOINT].cached = 2500
    assert "50% of the scores came from the cache" in noted(as_json(SETUP, tallies), SETUP)
