"""Comparisons for the tests of the evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from es_rerank.evaluation.values import Comparison, FoundHit, Query, SearchRecord


def record(ids: Sequence[str], seconds: float = 0.01, outcome: str = "reranked; window=3") -> SearchRecord:
    return SearchRecord(tuple(FoundHit(key, f"Title of {key}") for key in ids), seconds, outcome)


def comparison(
    key: str, ratings: Mapping[str, float], before: Sequence[str], after: Sequence[str], **fields: str
) -> Comparison:
    return Comparison(
        Query(key, f"text of {key}", fields), ratings, record(before, 0.01, "skipped; why=off"), record(after, 0.05)
    )
