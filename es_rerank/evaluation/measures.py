"""Measures of ranking quality per query, computed by ir-measures (https://ir-measur.es)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from es_rerank.evaluation.extra import library
from es_rerank.evaluation.values import Comparison, Ratings, Side

# ir-measures takes only whole numbers, so ratings with decimals are multiplied by this factor. nDCG does not change if
# all ratings are multiplied by the same factor.
_FACTOR = 1000

Values = Mapping[str, float]
"""The value of a measure for each query, by the query's id."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of ranking quality.

    Attributes:
        name: The name in `--fail-under` and in JSON, such as `ndcg@10`.
        title: The name in reports, such as `nDCG@10`.

    """

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """The number of hits that each measure takes into account, and the lowest rating of a relevant document.

    Attributes:
        k: Number of hits for nDCG, MRR, and the share of judged hits.
        window: Number of hits for recall, which is the number of hits that the model can reorder.
        relevant: Lowest rating of a relevant document, for Success, MRR and recall.

    """

    k: int = 10
    window: int = 50
    relevant: float = 1.0

    def measures(self) -> tuple[Measure, ...]:
        """Return the measures, the most important first."""
        return (
            Measure(f"ndcg@{self.k}", f"nDCG@{self.k}"),
            Measure("success@1", "Success@1"),
            Measure(f"mrr@{self.k}", f"MRR@{self.k}"),
            Measure(f"recall@{self.window}", f"Recall@{self.window}"),
            Measure(f"judged@{self.k}", f"Judged@{self.k}"),
        )


def measured(comparisons: Sequence[Comparison], side: Side, cutoffs: Cutoffs) -> dict[str, Values]:
    """Measure the rankings that the baseline or the endpoint returned for all queries.

    Returns:
        The value of each measure for each query, by the name of the measure and the id of the query.

    """
    official = library("ir_measures")
    factor = _factor([one.ratings for one in comparisons])
    relevant = max(round(cutoffs.relevant * factor), 1)
    definitions = {
        official.nDCG @ cutoffs.k: f"ndcg@{cutoffs.k}",
        official.Success(rel=relevant) @ 1: "success@1",
        official.RR(rel=relevant) @ cutoffs.k: f"mrr@{cutoffs.k}",
        official.R(rel=relevant) @ cutoffs.window: f"recall@{cutoffs.window}",
        official.Judged @ cutoffs.k: f"judged@{cutoffs.k}",
    }
    judgments = {one.query.id: {key: round(r * factor) for key, r in one.ratings.items()} for one in comparisons}
    # ir-measures sorts the documents of a query by score. The score is the negative rank, so that there are no ties.
    # Queries without hits are left out: ir-measures gives a missing query the value 0, but fails for an empty ranking.
    rankings = {one.query.id: one.of(side).ids for one in comparisons if one.of(side).ids}
    run = {query: {key: -float(at) for at, key in enumerate(ids)} for query, ids in rankings.items()}
    found: dict[str, dict[str, float]] = {name: {} for name in definitions.values()}
    for metric in official.iter_calc(list(definitions), judgments, run):
        found[definitions[metric.measure]][metric.query_id] = float(metric.value)
    return {**found}


def _factor(all_ratings: Sequence[Ratings]) -> int:
    """Return the factor by which ratings are multiplied to get whole numbers: 1 if all ratings are whole numbers."""
    whole = all(float(rating).is_integer() for ratings in all_ratings for rating in ratings.values())
    return 1 if whole else _FACTOR
