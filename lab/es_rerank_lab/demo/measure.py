"""Evaluates the rankings without and with es-rerank against the relevance judgments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ir_measures
from ir_measures import Qrel, ScoredDoc, Success, nDCG

from es_rerank_lab.demo.client import Hit
from es_rerank_lab.demo.corpus import Query

# Minimum grade of a document that answers the query.
_ANSWER_GRADE = 2
_TOP_1 = Success(rel=_ANSWER_GRADE) @ 1
_NDCG = nDCG @ 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """One query with the engine's hits (`before`) and the reranked hits (`after`)."""

    query: Query
    before: Sequence[Hit]
    after: Sequence[Hit]


@dataclass(frozen=True, slots=True)
class Measured:
    """Mean success@1 and nDCG@10 of one ranking, each between 0 and 1."""

    top_1: float
    ndcg: float


@dataclass(frozen=True, slots=True)
class Row:
    """The results for the queries in one language.

    Attributes:
        language: Language code, or `all`.
        queries: Number of queries.
        before: Measures of the engine's ranking.
        after: Measures of the reranked hits.
        lost: IDs of the queries whose first hit answered the query only before reranking.

    """

    language: str
    queries: int
    before: Measured
    after: Measured
    lost: Sequence[str]


def by_language(comparisons: Sequence[Comparison]) -> list[Row]:
    """Return one row per language, followed by a row for all queries."""
    languages = sorted({each.query.lang for each in comparisons})
    rows = [_row(language, [each for each in comparisons if each.query.lang == language]) for language in languages]
    return [*rows, _row("all", comparisons)]


def first_hit_answers(query: Query, hits: Sequence[Hit]) -> bool:
    """Return whether the first hit is judged to answer the query."""
    return bool(hits) and query.relevant.get(hits[0].id, 0) >= _ANSWER_GRADE


def _row(language: str, comparisons: Sequence[Comparison]) -> Row:
    """Return the row for the queries in one language."""
    lost = [
        each.query.id
        for each in comparisons
        if first_hit_answers(each.query, each.before) and not first_hit_answers(each.query, each.after)
    ]
    queries = [each.query for each in comparisons]
    before = _measured(queries, {each.query.id: each.before for each in comparisons})
    after = _measured(queries, {each.query.id: each.after for each in comparisons})
    return Row(language, len(comparisons), before, after, lost)


def _measured(queries: Sequence[Query], hits: Mapping[str, Sequence[Hit]]) -> Measured:
    """Measure one ranking. The negative rank of each hit is used as its score, so that ties do not matter."""
    judged = [Qrel(query.id, document, grade) for query in queries for document, grade in query.relevant.items()]
    run = [ScoredDoc(key, hit.id, -float(rank)) for key, ranking in hits.items() for rank, hit in enumerate(ranking)]
    means = ir_measures.calc_aggregate([_TOP_1, _NDCG], judged, run)
    return Measured(means[_TOP_1], means[_NDCG])
