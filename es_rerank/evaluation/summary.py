"""Summarizes an evaluation: measures for all queries and by group, wins and losses, search times, and outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from es_rerank.evaluation.headers import parse_outcome
from es_rerank.evaluation.measures import Cutoffs, Measure, Values, measured
from es_rerank.evaluation.statistics import Difference, difference, percentile
from es_rerank.evaluation.values import Comparison, Side

PERCENTILES = (50, 90, 95, 99)
_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Row:
    """One measure over a group of queries.

    Attributes:
        measure: The measure.
        baseline: Mean value of the baseline.
        endpoint: Mean value of the endpoint.
        difference: The difference of the means, with its significance.

    """

    measure: Measure
    baseline: float
    endpoint: float
    difference: Difference


@dataclass(frozen=True, slots=True)
class Group:
    """The measures of a group of queries.

    Attributes:
        name: The value that these queries have in the field that `--by` names, or `all` for all queries.
        queries: Number of queries.
        rows: One row per measure.

    """

    name: str
    queries: int
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class QueryChange:
    """One query with its values of the first measure, of the baseline and of the endpoint."""

    comparison: Comparison
    baseline: float
    endpoint: float

    @property
    def change(self) -> float:
        """Endpoint minus baseline; 0 if they differ by rounding only."""
        change = self.endpoint - self.baseline
        return change if abs(change) > _TOLERANCE else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of an evaluation.

    Attributes:
        measures: The measures. `queries` has the values of the first one.
        total: The measures of all queries.
        groups: The measures of each group of queries; empty without `--by`.
        queries: The queries, from the greatest loss to the greatest win.
        seconds: For the baseline and for the endpoint, the search time in seconds by percentile, such as 95.
        outcomes: How many searches of the endpoint had each outcome, such as `reranked` or `skipped; why=sort`.
        changed_sets: Number of queries for which baseline and endpoint returned different sets of hits.
        windows: The measures of all queries for each of the `--windows`; empty without this option.

    """

    measures: Sequence[Measure]
    total: Group
    groups: Sequence[Group]
    queries: Sequence[QueryChange]
    seconds: Mapping[Side, Mapping[int, float]]
    outcomes: Mapping[str, int]
    changed_sets: int
    windows: Mapping[int, Group]


def summarize(comparisons: Sequence[Comparison], cutoffs: Cutoffs, by: str | None = None) -> Summary:
    """Return the measures of baseline and endpoint with their differences, for all queries and by group.

    Args:
        comparisons: The searches of all queries; at least one.
        cutoffs: The number of hits that each measure takes into account.
        by: The field of the queries to group by; None for no groups.

    """
    measures = cutoffs.measures()
    values = {side: measured(comparisons, side, cutoffs) for side in Side}
    keys = [one.query.id for one in comparisons]
    names = sorted({one.query.fields.get(by, "") for one in comparisons}) if by else []
    members = {
        name: [one.query.id for one in comparisons if one.query.fields.get(by or "", "") == name] for name in names
    }
    first = measures[0].name
    changes = [
        QueryChange(one, values[Side.BASELINE][first][one.query.id], values[Side.ENDPOINT][first][one.query.id])
        for one in comparisons
    ]
    return Summary(
        measures=measures,
        total=_group("all", keys, measures, values),
        groups=[_group(name or "(none)", members[name], measures, values) for name in names],
        queries=sorted(changes, key=lambda one: one.change),
        seconds={side: _percentiles([one.of(side).seconds for one in comparisons]) for side in Side},
        outcomes=Counter(parse_outcome(one.endpoint.outcome).label for one in comparisons),
        changed_sets=sum(set(one.baseline.ids) != set(one.endpoint.ids) for one in comparisons),
        windows={window: _with_window(comparisons, window, cutoffs) for window in comparisons[0].windows},
    )


def _with_window(comparisons: Sequence[Comparison], window: int, cutoffs: Cutoffs) -> Group:
    """Return the measures of the baseline and of the endpoint's searches with this window, for all queries."""
    searched = [replace(one, endpoint=one.windows[window]) for one in comparisons]
    values = {side: measured(searched, side, cutoffs) for side in Side}
    return _group(f"{window}", [one.query.id for one in searched], cutoffs.measures(), values)


def _group(
    name: str, keys: Sequence[str], measures: Sequence[Measure], values: Mapping[Side, Mapping[str, Values]]
) -> Group:
    """Return the measures of the queries with the ids *keys*, as the group *name*."""
    rows = []
    for measure in measures:
        before, after = ([values[side][measure.name][key] for key in keys] for side in Side)
        rows.append(Row(measure, sum(before) / len(keys), sum(after) / len(keys), difference(before, after)))
    return Group(name, len(keys), rows)


def _percentiles(seconds: Sequence[float]) -> dict[int, float]:
    """Return the search times at `PERCENTILES`, by percentile, in seconds."""
    return {share: percentile(seconds, share) for share in PERCENTILES}
