"""Creates the tuning report: one HTML page that loads no other files."""

from __future__ import annotations

from html import escape

from es_rerank.evaluation.plots import differences
from es_rerank.evaluation.report import changed_queries, page, table
from es_rerank.evaluation.tuning import plots, wording
from es_rerank.evaluation.tuning.summary import TuneSummary


def report(summary: TuneSummary, rule_text: str) -> str:
    """Return the tuning report, an HTML page. *rule_text* is the text of the proposed rule file."""
    setup = summary.setup
    measure, cutoffs = setup.cutoffs.measures()[0].title, setup.cutoffs
    queries = f"{len(summary.changes)} judged queries"
    return page(
        "tune.html",
        title=escape(f"Rule for {setup.index}"),
        subtitle=escape(f"{queries}, {setup.model}, search body: {setup.template}"),
        verdict=escape(" ".join(wording.verdict(summary))),
        measure=escape(measure),
        rules=table(wording.head(summary), wording.rows(summary)),
        by_cost=plots.by_cost(summary),
        by_window=plots.by_window(summary),
        differences=differences(summary.changes, measure),
        losses=changed_queries(summary.worse, "No query is worse than in the engine's order.", cutoffs),
        wins=changed_queries(summary.better, "No query is better than in the engine's order.", cutoffs),
        rule=escape(rule_text),
    )
