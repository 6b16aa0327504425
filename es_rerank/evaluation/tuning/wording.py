"""Formats the result of tuning as sentences and tables, for the terminal, the report and the rule file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from es_rerank.evaluation.summary import QueryChange
from es_rerank.evaluation.tuning.candidates import Candidate
from es_rerank.evaluation.tuning.selection import Verdict
from es_rerank.evaluation.tuning.summary import Point, TuneSummary
from es_rerank.evaluation.tuning.values import PassageVariant
from es_rerank.evaluation.wording import significance

_ADVICE = {
    Verdict.TUNED: "Proposed: the chosen rule.",
    Verdict.CURRENT: "Proposed: keep the current rule. The chosen rule is not better on held-out queries.",
    Verdict.OFF: "Proposed: mode: off. No rule is better than the engine on held-out queries.",
}


def head(summary: TuneSummary) -> tuple[str, ...]:
    """Return the column headings of the table of rules."""
    title = summary.setup.cutoffs.measures()[0].title
    return ("rule", "window", "policy", "passages", "tokens", title, "difference")


def rows(summary: TuneSummary) -> list[tuple[str, ...]]:
    """Return the rows of the table of rules: engine, current rule, the best rule for each cost, and chosen rule."""
    engine = ("engine", "", "", "0", "0", f"{summary.engine:.3f}", "")
    frontier = [_row(summary, point, summary.variants[point.candidate.place[0]].name) for point in summary.frontier()]
    return [
        engine,
        _row(summary, summary.current, "current rule"),
        *frontier,
        _row(summary, summary.chosen, "chosen rule"),
    ]


def _row(summary: TuneSummary, point: Point, name: str) -> tuple[str, ...]:
    """Return the cells of the row of one rule."""
    return (
        name,
        str(point.candidate.place[1]),
        str(point.candidate.policy),
        f"{point.cost.passages:.0f}",
        f"{point.cost.tokens:,.0f}",
        f"{point.value:.3f}",
        f"{point.value - summary.engine:+.3f}",
    )


def description(candidate: Candidate, variants: Sequence[PassageVariant]) -> str:
    """Return a one-line description of a candidate."""
    variant, window = candidate.place
    parts = [f"window {window}", str(candidate.policy), f"passages: {variants[variant].name}"]
    if candidate.protect:
        parts.append(f"protect (score_ratio {candidate.protect.score_ratio:g}, margin {candidate.protect.margin:g})")
    if candidate.minimum:
        parts.append(f"min_probability {candidate.minimum.value:g} ({candidate.minimum.below})")
    return ", ".join(parts)


def verdict(summary: TuneSummary) -> list[str]:
    """Return the chosen rule, its values on held-out queries, and the proposal, one line for each."""
    proposal, setup = summary.proposal, summary.setup
    title = setup.cutoffs.measures()[0].title
    held_out = proposal.against_engine(proposal.held_out)
    folds, same = len(proposal.folds), sum(one == proposal.chosen for one in proposal.folds)
    evidence = (
        f"{title} on held-out queries ({folds} folds, seed {setup.seed}): engine {summary.engine:.3f}, "
        f"current rule {summary.current.value:.3f}, rule chosen without them {proposal.held_out.mean():.3f} "
        f"({significance(held_out)}). {same} of {folds} folds result in the chosen rule."
    )
    chosen = f"Chosen rule: {description(proposal.chosen, summary.variants)}."
    return [chosen, evidence, _ADVICE[proposal.verdict]]


def worse(summary: TuneSummary) -> Iterator[str]:
    """Yield a line with the number of queries that get worse, and one line for each of these queries."""
    title, count = summary.setup.cutoffs.measures()[0].title, len(summary.changes)
    if not summary.worse:
        yield f"No query of {count} is worse than in the engine's order ({title})."
        return
    yield f"Queries that are worse than in the engine's order: {len(summary.worse)} of {count} ({title}):"
    yield from map(_change, summary.worse)


def _change(one: QueryChange) -> str:
    """Return a line with a query and its value of the measure, in the engine's order and in the proposed order."""
    query = one.comparison.query
    return f"  {one.baseline:.3f} -> {one.endpoint:.3f}  {query.id}: {query.text}"


def comments(summary: TuneSummary) -> list[str]:
    """Return the comments at the start of the rule file."""
    setup = summary.setup
    made = (
        f"Proposed by es-rerank tune: {len(summary.changes)} judged queries, index {setup.index}, model {setup.model}, "
        f"search body {setup.template}."
    )
    return [
        made,
        *verdict(summary),
        *(f"{row[0]}: {_cost(row)}" for row in rows(summary)),
        *worse(summary),
    ]


def _cost(row: Sequence[str]) -> str:
    """Return one row of the table of rules as a line of text."""
    _, window, policy, passages, tokens, value, change = row
    rule = f"window {window}, {policy}, {passages} passages and {tokens} tokens per search, " if window else ""
    return f"{rule}{value}" + (f" ({change})" if change else "")
