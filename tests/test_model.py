from __future__ import annotations

import json

import pytest

from es_rerank.errors import error_body
from es_rerank.model import Failed, Outcome, Why, failed, skipped


@pytest.mark.parametrize(
    ("outcome", "header"),
    [
        (skipped(Why.SORT), "skipped; why=sort"),
        (failed(Failed(Why.DEADLINE, "no answer within 3.0 s")), "failed; why=deadline"),
        (
            Outcome("reranked", window=50, cached=12, model="some/model"),
            "reranked; window=50; cached=12; model=some/model",
        ),
    ],
)
def test_the_header_reports_the_outcome(outcome: Outcome, header: str) -> None:
    assert outcome.header == header


def test_each_reason_is_one_word_of_letters_and_underscores() -> None:
    assert all(why.value == why.name.lower() and why.value.replace("_", "").isalpha() for why in Why)


def test_errors_have_the_form_of_the_engines() -> None:
    assert json.loads(error_body(502, "some_exception", 'no "engine"')) == {
        "error": {
            "root_cause": [{"type": "some_exception", "reason": 'no "engine"'}],
            "type": "some_exception",
            "reason": 'no "engine"',
        },
        "status": 502,
    }
