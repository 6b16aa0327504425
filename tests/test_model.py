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
def test_what_the_client_reads_of_an_outcome(outcome: Outcome, header: str) -> None:
    assert outcome.header == header


def test_reasons_are_one_word_each() -> None:
    assert all(why.value == why.name.lower() and why.value.replace("_", "").isalpha() for why in Why)


def test_errors_have_the_engines_shape() -> None:
    assert json.loads(error_body(502, "some_exception", 'no "engine"')) == {
        "error": {
            "root_cause": [{"type": "some_exception", "reason": 'no "engine"'}],
            "type": "some_exception",
            "reason": 'no "engine"',
        },
        "status": 502,
    }
