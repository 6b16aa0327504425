"""Formats the result of an evaluation as sentences and tables, for the terminal and the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from es_rerank.evaluation.measures import Cutoffs
from es_rerank.evaluation.statistics import Difference
from es_rerank.evaluation.summary import Group, Summary

_SMALL_P = 0.001
_JUDGED_DROP = 0.05
HEAD = ("measure", "baseline", "endpoint", "difference", "95 % interval", "p")


@dataclass(frozen=True, slots=True)
class Setup:
    """The inputs of an evaluation, as named in the report.

    Attributes:
        index: The index expression.
        endpoint: Base URL of es-rerank.
        baseline: Base URL of the engine or endpoint that es-rerank is compared with.
        same: Whether the baseline is the endpoint with `X-Rerank-Mode: off`.
        template: Name of the search template.
        cutoffs: The number of hits that each measure takes into account.
        size: Number of hits that each search requests.
        unjudged: Number of queries without judgments, which were not evaluated.
        unmatched: Number of judged queries that are not in the file of queries.

    """

    index: str
    endpoint: str
    baseline: str
    same: bool
    template: str
    cutoffs: Cutoffs
    size: int
    unjudged: int = 0
    unmatched: int = 0


def verdict(summary: Summary) -> str:
    """Return two sentences: how the first measure changes, and how many queries get better and worse."""
    row = summary.total.rows[0]
    change = row.difference
    equal = summary.total.queries - change.better - change.worse
    moved = "rises" if change.mean > 0 else "falls" if change.mean < 0 else "stays"
    if moved == "stays":
        sentence = f"{row.measure.title} stays at {row.endpoint:.3f}"
    else:
        sentence = f"{row.measure.title} {moved} from {row.baseline:.3f} to {row.endpoint:.3f} ({significance(change)})"
    return f"{sentence}. Queries: {change.better} better, {change.worse} worse, {equal} equal."


def significance(change: Difference) -> str:
    """Return a difference with its confidence interval and p, as text."""
    chance = "" if change.significant else "; it can be chance"
    return f"{change.mean:+.3f}, 95 % interval {interval(change)}, {p_value(change, 'p = ', 'p < ')}{chance}"


def interval(change: Difference) -> str:
    """Return the confidence interval of a difference, as text."""
    return f"{change.low:+.3f} to {change.high:+.3f}"


def p_value(change: Difference, equal: str = "", below: str = "< ") -> str:
    """Return p with three decimals, or as `< 0.001` if it is smaller. *equal* and *below* are the prefixes."""
    return f"{below}{_SMALL_P}" if change.p < _SMALL_P else f"{equal}{change.p:.3f}"


def measure_rows(group: Group) -> list[tuple[str, ...]]:
    """Return the cells of the table of measures, one row per measure, in the order of `HEAD`."""
    return [
        (
            row.measure.title,
            f"{row.baseline:.3f}",
            f"{row.endpoint:.3f}",
            f"{row.difference.mean:+.3f}",
            interval(row.difference),
            p_value(row.difference),
        )
        for row in group.rows
    ]


def group_rows(groups: Sequence[Group]) -> list[tuple[str, ...]]:
    """Return the cells of the table of groups: for each group, its number of queries and its first measure."""
    return [(f"{group.name} ({group.queries})", *measure_rows(group)[0][1:]) for group in groups]


def window_rows(summary: Summary) -> list[tuple[str, ...]]:
    """Return the cells of the table of windows, one row per window, with the first measure."""
    return [(f"{window}", *measure_rows(group)[0][1:]) for window, group in summary.windows.items()]


def notes(summary: Summary, setup: Setup) -> list[str]:
    """Return notes on the reliability of the numbers: missing judgments, and searches that were not reranked."""
    found = [
        f"Searches of the endpoint that were not reranked completely: {count} of {summary.total.queries} ({outcome})."
        for outcome, count in summary.outcomes.items()
        if outcome != "reranked"
    ]
    judged = next(row for row in summary.total.rows if row.measure.name.startswith("judged"))
    if judged.baseline - judged.endpoint > _JUDGED_DROP:
        found.append(
            f"The endpoint shows fewer judged documents than the baseline ({judged.measure.title} is "
            f"{judged.endpoint:.3f} and {judged.baseline:.3f}). Unjudged documents count as not relevant, so its "
            "measures are too low."
        )
    relevant = any(row.baseline or row.endpoint for row in summary.total.rows if row.measure.name.startswith("recall"))
    if not relevant:
        found.append(f"No hit has a rating of at least {setup.cutoffs.relevant:g}. See --relevant.")
    if setup.unjudged:
        found.append(f"Queries without judgments, which were not evaluated: {setup.unjudged}.")
    if setup.unmatched:
        found.append(f"Judged queries that are not in the file of queries: {setup.unmatched}.")
    if summary.changed_sets:
        found.append(f"Queries for which both sides returned different sets of hits: {summary.changed_sets}.")
    return found


def method(setup: Setup) -> str:
    """Return a description of the inputs and the method of the evaluation."""
    baseline = "the same endpoint with X-Rerank-Mode: off" if setup.same else setup.baseline
    return (
        f"Endpoint: {setup.endpoint}. Baseline: {baseline}. Index: {setup.index}. Search body: {setup.template}. "
        f"Each search returned at most {setup.size} hits. A document counts as relevant from a rating of "
        f"{setup.cutoffs.relevant:g}; nDCG uses the ratings as gains. Documents without a rating count as not "
        "relevant. Measures by ir-measures."
    )
