from __future__ import annotations

import pytest

from es_rerank.evaluation.headers import ReportedOutcome, parse_outcome, parse_timings
from es_rerank.model.outcome import Outcome, OutcomeState, skipped
from es_rerank.model.why import Why
from es_rerank.server.responses import outcome_header


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (
            Outcome(OutcomeState.RERANKED, window=50, of=50, cached=12, model="Qwen/Qwen3"),
            ReportedOutcome("reranked", 50, 12),
        ),
        (Outcome(OutcomeState.RERANKED, window=20, of=50, model="m"), ReportedOutcome("window reduced", 20)),
        (skipped(Why.SORT), ReportedOutcome("skipped; why=sort")),
        (skipped(Why.SHADOW), ReportedOutcome("shadow")),
        (Outcome(OutcomeState.FAILED, Why.DEADLINE), ReportedOutcome("failed; why=deadline")),
    ],
)
def test_the_header_of_each_state_is_parsed(outcome: Outcome, expected: ReportedOutcome) -> None:
    assert parse_outcome(outcome_header([outcome])) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ReportedOutcome("no X-Rerank header")),
        ("reranked; window=x; cached=-1", ReportedOutcome("reranked")),
    ],
)
def test_other_values_are_no_error(header: str, expected: ReportedOutcome) -> None:
    assert parse_outcome(header) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("engine;dur=4.1, rerank;dur=38.0, proxy;dur=1.6", {"engine": 0.0041, "rerank": 0.038, "proxy": 0.0016}),
        ('cache;desc="a";dur=2', {"cache": 0.002}),
        ("hit, x;dur=fast, y;dur=1", {"y": 0.001}),
        ("", {}),
    ],
)
def test_the_times_are_seconds_by_name(header: str, expected: dict[str, float]) -> None:
    assert parse_timings(header) == pytest.approx(expected)
