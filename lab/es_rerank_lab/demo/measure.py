"""Measures both orders against the judgements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ir_measures
from ir_measures import Qrel, ScoredDoc, Success, nDCG

from es_rerank_lab.demo.client import Found
from es_rerank_lab.demo.corpus import Query

# Grade 2 answers the question; a Top-1 hit must do that.
_TOP_1 = Success(rel=2) @ 1
_NDCG = nDCG @ 10


@dataclass(frozen=True, slots=True)
class Asked:
    """One query with the hits of both orders."""

    query: Query
    before: Sequence[Found]
    after: Sequence[Found]


@dataclass(frozen=True, slots=True)
class Measured:
    """Mean Top-1 hit rate and nDCG@10 of one order."""

    top_1: float
    ndcg: float


@dataclass(frozen=True, slots=True)
class Row:
    """Both orders of the queries of one language; `lost` are those whose right first hit was lost."""

    language: str
    queries: int
    before: Measured
    after: Measured
    lost: Sequence[str]


def by_language(asked: Sequence[Asked]) -> list[Row]:
    """Measure each language, and at the end all of them together."""
    languages = sorted({one.query.lang for one in asked})
    rows = [_row(language, [one for one in asked if one.query.lang == language]) for language in languages]
    return [*rows, _row("all", asked)]


def right(query: Query, hits: Sequence[Found]) -> bool:
    """Tell whether the first hit answers the query."""
    return bool(hits) and query.relevant.get(hits[0].id, 0) >= 2  # noqa: PLR2004 - the grade of an answer


def _row(language: str, asked: Sequence[Asked]) -> Row:
    """Measure both orders of some queries."""
    lost = [one.query.id for one in asked if right(one.query, one.before) and not right(one.query, one.after)]
    queries = [one.query for one in asked]
    before = _measured(queries, {one.query.id: one.before for one in asked})
    after = _measured(queries, {one.query.id: one.after for one in asked})
    return Row(language, len(asked), before, after, lost)


def _measured(queries: Sequence[Query], hits: Mapping[str, Sequence[Found]]) -> Measured:
    """Measure one order; the place of a hit stands for its score."""
    judged = [Qrel(query.id, document, grade) for query in queries for document, grade in query.relevant.items()]
    run = [ScoredDoc(key, hit.id, -float(place)) for key, found in hits.items() for place, hit in enumerate(found)]
    means = ir_measures.calc_aggregate([_TOP_1, _NDCG], judged, run)
    return Measured(means[_TOP_1], means[_NDCG])
