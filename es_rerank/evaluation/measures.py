"""Measures of ranking quality per query, computed by ir-measures (https://ir-measur.es)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from es_rerank.evaluation.extra import library
from es_rerank.evaluation.values import Comparison, Ratings, Side

# Ratings with decimals are measured in thousandths, since ir-measures takes whole numbers only. nDCG does not depend
# on the unit.
_UNITS = 1000

Values = Mapping[str, float]
"""The value of a measure for each query, by the query's id."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure: its name in conditions and JSON, such as `ndcg@10`, and its name in reports."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Where the measures cut the ranking off.

    Attributes:
        k: Rank at which MRR, nDCG and the share of judged hits are cut off.
        window: Rank at which recall is cut off: the number of hits that the model can reorder.
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
    """Return the value of each measure for each query, by the measure's name."""
    official = library("ir_measures")
    unit = _unit([one.ratings for one in comparisons])
    relevant = max(round(cutoffs.relevant * unit), 1)
    definitions = {
        official.nDCG @ cutoffs.k: f"ndcg@{cutoffs.k}",
        official.Success(rel=relevant) @ 1: "success@1",
        official.RR(rel=relevant) @ cutoffs.k: f"mrr@{cutoffs.k}",
        official.R(rel=relevant) @ cutoffs.window: f"recall@{cutoffs.window}",
        official.Judged @ cutoffs.k: f"judged@{cutoffs.k}",
    }
    judgments = {one.query.id: {key: round(r * unit) for key, r in one.ratings.items()} for one in comparisons}
    # The scores of a run decide its order, and the negative rank has no ties. Like a run file, it has no query without
    # hits: ir-measures gives such a query the value 0, but divides by the number of its hits if it is in the run.
    rankings = {one.query.id: one.of(side).ids for one in comparisons if one.of(side).ids}
    run = {query: {key: -float(at) for at, key in enumerate(ids)} for query, ids in rankings.items()}
    found: dict[str, dict[str, float]] = {name: {} for name in definitions.values()}
    for metric in official.iter_calc(list(definitions), judgments, run):
        found[definitions[metric.measure]][metric.query_id] = float(metric.value)
    return {**found}


def _unit(all_ratings: Sequence[Ratings]) -> int:
    """Return the factor that turns all ratings into whole numbers."""
    whole = all(float(rating).is_integer() for ratings in all_ratings for rating in ratings.values())
    return 1 if whole else _UNITS
