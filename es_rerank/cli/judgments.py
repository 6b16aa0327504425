"""`es-rerank judgments`: turn logs of clicks into judgments for `es-rerank eval`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import click

from es_rerank.cli.options import FiniteNumber, parse_header
from es_rerank.errors import EsRerankError
from es_rerank.evaluation.click_log import read_clicks
from es_rerank.evaluation.click_model import ClickModel, Evidence, Impression
from es_rerank.evaluation.client import search_target
from es_rerank.evaluation.output import write_text
from es_rerank.evaluation.ubi import CLICKS, Ignored, Record, impressions, read_events, read_records
from es_rerank.evaluation.ubi_index import EVENTS, QUERIES, read_index

_FILE = click.Path(path_type=Path)
_FIELDS: Mapping[str, tuple[str, ...]] = {
    QUERIES: (
        "query_id",
        "user_query",
        "query_attributes.from",
        "query_response_hit_ids",
        "query_response_object_ids",
    ),
    EVENTS: ("query_id", "action_name", "event_attributes.object.object_id", "event_attributes.position.ordinal"),
}


@click.command()
@click.option("--clicks", type=_FILE, metavar="FILE", help="CSV or TSV: query, document, position, clicked.")
@click.option("--ubi-queries", type=_FILE, metavar="FILE", help="JSON Lines of UBI's queries.")
@click.option("--ubi-events", type=_FILE, metavar="FILE", help="JSON Lines of UBI's events.")
@click.option("--endpoint", metavar="URL", help="URL of an engine with the indices ubi_queries and ubi_events.")
@click.option("--header", "-H", multiple=True, metavar="NAME:VALUE", help="Request header; can be repeated.")
@click.option("--ca", type=_FILE, metavar="FILE", help="PEM file of the CA certificates to trust.")
@click.option("--output", required=True, type=_FILE, metavar="FILE", help="Write the judgments, as CSV.")
@click.option("--queries", type=_FILE, metavar="FILE", help="Write the queries that have judgments, as CSV.")
@click.option(
    "--action", multiple=True, default=CLICKS, show_default=True, help="UBI action that counts as a click; repeatable."
)
@click.option("--depth", type=click.IntRange(1, 1000), default=20, show_default=True, help="Positions to read.")
@click.option(
    "--min-impressions",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Ignore documents shown less often.",
)
@click.option("--prior", type=FiniteNumber(0), default=1.0, show_default=True, help="Expected clicks to add.")
def judgments(**options: Any) -> None:
    """Turn logs of clicks into judgments for eval.

    The rating of a document is the number of its clicks, divided by the number of clicks that an average document gets
    at the same positions. A document with a rating of 1 or more was therefore clicked at least as often as expected.
    """
    model = ClickModel(options["depth"])
    shown, ignored = _impressions(options)
    model.add(shown)
    rows = _judged(model, options["min_impressions"])
    if not rows:
        raise EsRerankError("no judgments: no clicked document was shown at least --min-impressions times for a query")
    ratings = ((row.query, row.document, f"{row.rating(options['prior']):.3f}") for row in rows)
    write_text(options["output"], _csv(("query", "docid", "rating"), ratings))
    if options["queries"]:
        write_text(options["queries"], _csv(("query", "impressions"), _queries(rows)))
    click.echo("\n".join(_lines(model, rows, ignored)))


def _impressions(options: Mapping[str, Any]) -> tuple[Iterator[Impression], Ignored]:
    """Return the impressions in the log that the options name, and the counts of ignored records.

    The counts are complete only after all impressions have been read.
    """
    files = [options["ubi_queries"], options["ubi_events"]]
    if sum(map(bool, (options["clicks"], any(files), options["endpoint"]))) != 1 or any(files) != all(files):
        raise EsRerankError("name one source: --clicks, --ubi-queries with --ubi-events, or --endpoint")
    if options["clicks"]:
        return read_clicks(options["clicks"]), Ignored()
    if options["endpoint"]:
        queries, events = (_index(options, name) for name in (QUERIES, EVENTS))
    else:
        queries, events = map(read_records, files)
    behavior = read_events(events, options["action"])
    return impressions(queries, behavior), behavior.ignored


def _judged(model: ClickModel, min_impressions: int) -> list[Evidence]:
    """Return the evidence for each document that was shown at least *min_impressions* times for a query.

    Queries without a click on such a document are omitted.
    """
    often = [one for one in model.evidence() if one.impressions >= min_impressions]
    clicked = {one.query for one in often if one.clicks}
    return [one for one in often if one.query in clicked]


def _queries(rows: Iterable[Evidence]) -> Iterator[tuple[str, str]]:
    """Yield each query with the number of impressions of the document that was shown most often for this query."""
    shown: dict[str, int] = {}
    for row in rows:
        shown[row.query] = max(shown.get(row.query, 0), row.impressions)
    return ((query, str(count)) for query, count in shown.items())


def _index(options: Mapping[str, Any], name: str) -> Iterator[Record]:
    """Yield the records of a UBI index of the engine at `--endpoint`."""
    headers = dict(map(parse_header, options["header"]))
    return read_index(search_target(options["endpoint"], name, headers), _FIELDS[name], options["ca"])


def _csv(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as CSV."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows((head, *rows))
    return text.getvalue()


def _lines(model: ClickModel, rows: Sequence[Evidence], ignored: Ignored) -> Iterator[str]:
    """Yield the lines of the output."""
    yield f"{len({row.query for row in rows})} queries, {len(rows)} judgments"
    yield ""
    yield "position  impressions  clicks    CTR"
    for position, tally in model.positions.items():
        yield f"{position:8}  {tally.impressions:11}  {tally.clicks:6}  {tally.rate:5.3f}"
    for count, what in (
        (ignored.clicks, "clicks on documents that were not shown, or whose query_id is missing or unknown"),
        (ignored.repeated, "searches with the query_id of an earlier search"),
        (ignored.unnamed, "searches without query_id or user_query"),
    ):
        if count:
            yield f"note: Ignored: {count} {what}."
