"""`es-rerank eval`: measure search quality with and without reranking, on judged queries."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from es_rerank.cli.options import FiniteNumber, parse_header, parse_windows
from es_rerank.cli.tables import table
from es_rerank.errors import EsRerankError
from es_rerank.evaluation import wording
from es_rerank.evaluation.client import search_target
from es_rerank.evaluation.extra import check_installed
from es_rerank.evaluation.journal import Journal
from es_rerank.evaluation.judgments import read_judgments
from es_rerank.evaluation.measures import Cutoffs
from es_rerank.evaluation.output import as_json, write_runs, write_text
from es_rerank.evaluation.queries import check_field, read_queries
from es_rerank.evaluation.report import report
from es_rerank.evaluation.run import Task, compare, judged
from es_rerank.evaluation.summary import PERCENTILES, Summary, summarize
from es_rerank.evaluation.template import read_template
from es_rerank.evaluation.thresholds import parse_threshold
from es_rerank.evaluation.values import Comparison, Side

_OFF = {"X-Rerank-Mode": "off"}
_SHOWN_LOSSES = 5
_FILE = click.Path(path_type=Path)


@click.command()
@click.option("--endpoint", required=True, metavar="URL", help="URL of es-rerank.")
@click.option("--baseline", metavar="URL", help="URL to compare with. [default: the endpoint with X-Rerank-Mode: off]")
@click.option("--index", required=True, metavar="NAME", help="Index, alias or pattern to search.")
@click.option("--queries", required=True, type=_FILE, metavar="FILE", help="JSON Lines, TREC topics, CSV or TSV.")
@click.option(
    "--judgments", required=True, type=_FILE, metavar="FILE", help="TREC qrels, BEIR, Quepid or workbench export."
)
@click.option(
    "--query-template", type=_FILE, metavar="FILE", help="Search body with {{query}}. [default: all text fields]"
)
@click.option("--k", type=click.IntRange(1, 1000), default=10, show_default=True, help="Rank to measure to.")
@click.option(
    "--window", type=click.IntRange(1, 1000), default=50, show_default=True, help="Hits per search, for recall."
)
@click.option("--windows", metavar="N,...", help="Search with these windows of the reranker, too.")
@click.option(
    "--relevant", type=FiniteNumber(), default=1.0, show_default=True, help="Lowest rating of a relevant document."
)
@click.option("--by", metavar="FIELD", help="Field of the queries to group by, such as lang.")
@click.option("--header", "-H", multiple=True, metavar="NAME:VALUE", help="Request header; can be repeated.")
@click.option("--ca", type=_FILE, metavar="FILE", help="PEM file of the CA certificates to trust.")
@click.option("--resume", type=_FILE, metavar="FILE", help="Keep the searches in this file, and continue from it.")
@click.option("--report", "report_file", type=_FILE, metavar="FILE", help="Write the report, an HTML page.")
@click.option("--json", "json_file", type=_FILE, metavar="FILE", help="Write the result as JSON.")
@click.option("--runs", type=_FILE, metavar="DIR", help="Write both rankings and the judgments in TREC's formats.")
@click.option("--fail-under", multiple=True, metavar="CONDITION", help="Such as 'ndcg@10>=0.45' or 'mrr@10>=baseline'.")
def eval(**options: Any) -> None:  # noqa: A001 - the name of the subcommand
    """Measure search quality with and without reranking, on judged queries.

    Every query is searched twice: at the endpoint, and at the baseline. The output compares both rankings. If a
    condition of --fail-under is not met, the exit status is 1.
    """
    check_installed()
    cutoffs = Cutoffs(options["k"], options["window"], options["relevant"])
    names = [measure.name for measure in cutoffs.measures()]
    thresholds = [parse_threshold(text, names) for text in options["fail_under"]]
    comparisons, setup = _searched(options, cutoffs)
    summary = summarize(comparisons, cutoffs, options["by"])
    click.echo("\n".join(_lines(summary, setup)))
    if options["report_file"]:
        write_text(options["report_file"], report(summary, setup))
    if options["json_file"]:
        write_text(options["json_file"], json.dumps(as_json(summary, setup), ensure_ascii=False, indent=1) + "\n")
    if options["runs"]:
        write_runs(options["runs"], comparisons)
    failures = [failure for one in thresholds if (failure := one.failure(summary))]
    if failures:
        raise EsRerankError("\n".join(f"--fail-under {failure}" for failure in failures))


def _searched(options: Mapping[str, Any], cutoffs: Cutoffs) -> tuple[list[Comparison], wording.Setup]:
    """Read the files and run the searches. Return the comparison of each query, and the setup for the report."""
    queries, judgments = read_queries(options["queries"]), read_judgments(options["judgments"])
    if options["by"]:
        check_field(queries, options["by"])
    template, chosen = read_template(options["query_template"]), judged(queries, judgments)
    if not chosen:
        raise EsRerankError(f"{options['judgments']}: no query of {options['queries']} is judged")
    headers = dict(map(parse_header, options["header"]))
    off = {} if options["baseline"] else _OFF
    endpoint = search_target(options["endpoint"], options["index"], headers)
    baseline = search_target(options["baseline"] or options["endpoint"], options["index"], {**headers, **off})
    windows = parse_windows(options["windows"]) if options["windows"] else []
    targets = {Side.BASELINE: baseline, Side.ENDPOINT: endpoint}
    task = Task(targets, template, max(cutoffs.k, cutoffs.window), options["ca"], windows)
    journal = Journal(task.conditions(), options["resume"])
    with click.progressbar(length=len(chosen), label="searching", file=sys.stderr, show_pos=True) as bar:
        comparisons = asyncio.run(compare(task, chosen, judgments, journal, lambda _done, _all: bar.update(1)))
    setup = wording.Setup(
        index=options["index"],
        endpoint=endpoint.url,
        baseline=baseline.url,
        same=not options["baseline"],
        template=template.name,
        cutoffs=cutoffs,
        size=task.size,
        unjudged=len(queries) - len(chosen),
        unmatched=len(judgments.unmatched(queries)),
    )
    return comparisons, setup


def _lines(summary: Summary, setup: wording.Setup) -> Iterator[str]:
    """Yield the lines of the output."""
    yield f"{summary.total.queries} queries, index {setup.index}"
    yield ""
    yield from table(wording.HEAD, wording.measure_rows(summary.total))
    if summary.groups:
        yield ""
        yield from table(
            (f"{summary.measures[0].title} by group", *wording.HEAD[1:]), wording.group_rows(summary.groups)
        )
    if summary.windows:
        yield ""
        yield from table((f"{summary.measures[0].title} by window", *wording.HEAD[1:]), wording.window_rows(summary))
    yield ""
    yield wording.verdict(summary)
    for side, row in summary.seconds.items():
        yield f"{side}: " + ", ".join(f"p{share} {row[share] * 1000:.0f} ms" for share in PERCENTILES)
    for note in wording.notes(summary, setup):
        yield f"note: {note}"
    losses = [one for one in summary.queries if one.change < 0][:_SHOWN_LOSSES]
    if losses:
        yield f"worst queries ({summary.measures[0].title}):"
    for one in losses:
        yield f"  {one.baseline:.3f} -> {one.endpoint:.3f}  {one.comparison.query.id}: {one.comparison.query.text}"
