from __future__ import annotations

import pytest

from es_rerank.errors import EsRerankError
from es_rerank.evaluation.measures import Cutoffs
from es_rerank.evaluation.summary import summarize
from es_rerank.evaluation.thresholds import parse_threshold

from .builders import comparison

NAMES = [measure.name for measure in Cutoffs().measures()]
# Success@1 is 0.5 at the endpoint and 1 at the baseline; MRR@10 is 0.75 and 1; recall is 1 for both.
SUMMARY = summarize(
    [comparison("1", {"a": 1.0}, ["a", "b"], ["a", "b"]), comparison("2", {"a": 1.0}, ["a", "b"], ["b", "a"])],
    Cutoffs(),
)


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("success@1>=0.5", None),
        ("success@1>0.5", "success@1>0.5: Success@1 is 0.5000, the bound is 0.5000"),
        (" MRR@10 > .7 ", None),
        ("mrr@10>=0.76", "mrr@10>=0.76: MRR@10 is 0.7500, the bound is 0.7600"),
        ("ndcg@10>=baseline", "ndcg@10>=baseline: nDCG@10 is 0.8155, the bound is 1.0000"),
        ("recall@50>=baseline", None),
        ("recall@50>Baseline", "recall@50>Baseline: Recall@50 is 1.0000, the bound is 1.0000"),
    ],
)
def test_a_condition_is_met_or_says_why_not(text: str, failure: str | None) -> None:
    assert parse_threshold(text, NAMES).failure(SUMMARY) == failure


@pytest.mark.parametrize(
    "text", ["", "ndcg@10", "ndcg@5>=0.1", "ndcg@10<0.5", "ndcg@10>=x", "ndcg@10>=1.2.3", "p@10>=0.1", "ndcg@10>=."]
)
def test_a_malformed_condition_is_an_error_that_shows_how_to_write_one(text: str) -> None:
    with pytest.raises(EsRerankError, match="--fail-under: "):
        parse_threshold(text, NAMES)
