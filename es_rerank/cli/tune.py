"""`es-rerank tune`: propose a rule for an index, based on queries with judgments."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from es_rerank.cli.logs import configure
from es_rerank.cli.options import parse_header, parse_windows, setting_options, settings_from
from es_rerank.cli.tables import table
from es_rerank.config.settings import Settings
from es_rerank.errors import EsRerankError
from es_rerank.evaluation.extra import check_installed
from es_rerank.evaluation.judgments import Judgments, read_judgments
from es_rerank.evaluation.measures import Cutoffs
from es_rerank.evaluation.output import write_text
from es_rerank.evaluation.queries import read_queries
from es_rerank.evaluation.run import judged
from es_rerank.evaluation.template import read_template
from es_rerank.evaluation.tuning import wording
from es_rerank.evaluation.tuning.candidates import candidates, current
from es_rerank.evaluation.tuning.outcomes import Outcomes
from es_rerank.evaluation.tuning.output import as_json
from es_rerank.evaluation.tuning.report import report
from es_rerank.evaluation.tuning.rule_text import current_keys, rule_text
from es_rerank.evaluation.tuning.run import Scores, Task, collect
from es_rerank.evaluation.tuning.selection import MIN_QUERIES, Selector, propose
from es_rerank.evaluation.tuning.summary import TuneSetup, TuneSummary, summarize
from es_rerank.evaluation.values import Query

_FILE = click.Path(path_type=Path)
_WINDOWS = "10,20,50,100"


@click.command()
@click.option("--index", required=True, metavar="NAME", help="Index, alias or pattern to search.")
@click.option("--queries", required=True, type=_FILE, metavar="FILE", help="JSON Lines, TREC topics, CSV or TSV.")
@click.option(
    "--judgments", required=True, type=_FILE, metavar="FILE", help="TREC qrels, BEIR, Quepid or workbench export."
)
@click.option(
    "--query-template", type=_FILE, metavar="FILE", help="Search body with {{query}}. [default: all text fields]"
)
@click.option("--k", type=click.IntRange(1, 1000), default=10, show_default=True, help="Rank to measure to.")
@click.option("--windows", default=_WINDOWS, show_default=True, metavar="N,...", help="Windows to compare.")
@click.option("--fields", multiple=True, metavar="NAME,...", help="Fields to compare; can be repeated.")
@click.option("--folds", type=click.IntRange(2, 100), default=5, show_default=True, help="Folds of the queries.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the folds.")
@click.option("--header", "-H", multiple=True, metavar="NAME:VALUE", help="Request header; can be repeated.")
@click.option("--resume", type=_FILE, metavar="FILE", help="Keep the scores in this file, and continue from it.")
@click.option("--rule", "rule_file", type=_FILE, metavar="FILE", help="Write the proposed rule, a YAML file.")
@click.option("--report", "report_file", type=_FILE, metavar="FILE", help="Write the report, an HTML page.")
@click.option("--json", "json_file", type=_FILE, metavar="FILE", help="Write the result as JSON.")
@setting_options
def tune(**options: Any) -> None:
    """Propose a rule for an index, based on queries with judgments.

    The window, the fields, the passages, the policy, `protect` and `min_probability` are chosen by cross-validation.
    The command takes the settings of serve, for the engine, the rerank server and the current rules. The current rules
    are not changed: the output compares them with the proposal, and --rule saves the proposed rule to a file.
    """
    names = ("index", "k", "windows", "fields", "folds", "seed", "header", "resume", "rule_file", "report_file")
    files = ("queries", "judgments", "query_template", "json_file")
    own = {name: options.pop(name) for name in (*names, *files)}
    check_installed()
    settings = settings_from(options)
    configure("error")
    queries, judgments = _judged(own)
    task = Task(
        settings=settings,
        index=own["index"],
        template=read_template(own["query_template"]),
        k=own["k"],
        windows=parse_windows(own["windows"]),
        fields=[_names(one) for one in own["fields"]],
        headers=dict(map(parse_header, own["header"])),
        resume=own["resume"],
    )
    scores = _scores(task, queries, judgments)
    cutoffs = Cutoffs(own["k"], max(task.windows))
    setup = TuneSetup(task.index, scores.model, task.template.name, cutoffs, own["folds"], own["seed"])
    _write(_summary(scores, setup), scores, settings, own)


def _judged(own: dict[str, Any]) -> tuple[list[Query], Judgments]:
    """Read the judgments, and the queries that have judgments. Raises EsRerankError if these are fewer than five."""
    queries, judgments = read_queries(own["queries"]), read_judgments(own["judgments"])
    found = judged(queries, judgments)
    if len(found) < MIN_QUERIES:
        judged_count = f"{len(found)} queries of {own['queries']} are judged"
        raise EsRerankError(f"{own['judgments']}: {judged_count}; at least {MIN_QUERIES} are needed")
    return found, judgments


def _names(text: str) -> list[str]:
    """Return the field names in one `--fields` option. Raises EsRerankError if a name is empty."""
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        raise EsRerankError(f"--fields: {text!r} must be names of fields, such as title,body")
    return names


def _scores(task: Task, queries: list[Query], judgments: Judgments) -> Scores:
    """Search for all queries, and return the scores of their hits. Shows a progress bar."""
    with click.progressbar(length=2 * len(queries), label="scoring", file=sys.stderr, show_pos=True) as bar:
        return asyncio.run(collect(task, queries, judgments, lambda: bar.update(1)))


def _summary(scores: Scores, setup: TuneSetup) -> TuneSummary:
    """Compare the candidate rules, with a progress bar. Return the comparison and the proposed rule."""
    compared = list(dict.fromkeys([current(scores.rule), *candidates(scores.places, scores.rule)]))
    with click.progressbar(length=len(compared), label="comparing", file=sys.stderr, show_pos=True) as bar:
        selector = Selector(Outcomes(scores.pools, setup.cutoffs), compared, bar.update)
    proposal = propose(selector, setup.folds, setup.seed)
    return summarize(setup, scores.variants, selector, proposal)


def _write(summary: TuneSummary, scores: Scores, settings: Settings, own: dict[str, Any]) -> None:
    """Print the result, and write the files."""
    chosen = summary.proposal.chosen
    keys = current_keys(settings.mappings, scores.rule, own["index"])
    change = (chosen, scores.variants[chosen.place[0]])
    text = rule_text(keys, summary.proposal.verdict, change, wording.comments(summary))
    click.echo("\n".join(_lines(summary)))
    if own["rule_file"]:
        write_text(own["rule_file"], text)
        click.echo(
            f"\n{own['rule_file']}: written. Check it with: es-rerank check --mappings {own['rule_file'].parent}"
        )
    if own["report_file"]:
        write_text(own["report_file"], report(summary, text))
    if own["json_file"]:
        write_text(own["json_file"], json.dumps(as_json(summary), ensure_ascii=False, indent=1) + "\n")


def _lines(summary: TuneSummary) -> Iterator[str]:
    """Yield the lines of the output."""
    yield f"{len(summary.changes)} queries, index {summary.setup.index}"
    yield ""
    yield from table(wording.head(summary), wording.rows(summary))
    yield ""
    yield from wording.verdict(summary)
    yield ""
    yield from wording.worse(summary)
