"""`es-rerank bench`: measure throughput and response times under load, with and without reranking."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from es_rerank.cli.options import FiniteNumber, parse_header
from es_rerank.evaluation.client import SearchTarget, search, search_target, session
from es_rerank.evaluation.output import write_text
from es_rerank.evaluation.queries import read_queries
from es_rerank.evaluation.template import read_template
from es_rerank.evaluation.values import Side
from es_rerank.load_test.loops import MAX_IN_FLIGHT, LoadTest, run
from es_rerank.load_test.report import Setup, as_json, lines
from es_rerank.load_test.tally import Tally
from es_rerank.load_test.values import Load, Requests

_OFF = {"X-Rerank-Mode": "off"}
_FILE = click.Path(path_type=Path)
# Exit status of a shell command that was ended by SIGINT.
_INTERRUPTED = 130


@click.command()
@click.option("--endpoint", required=True, metavar="URL", help="URL of es-rerank.")
@click.option("--baseline", metavar="URL", help="URL to compare with. [default: the endpoint with X-Rerank-Mode: off]")
@click.option("--index", required=True, metavar="NAME", help="Index, alias or pattern to search.")
@click.option("--queries", required=True, type=_FILE, metavar="FILE", help="JSON Lines, TREC topics, CSV or TSV.")
@click.option(
    "--query-template", type=_FILE, metavar="FILE", help="Search body with {{query}}. [default: all text fields]"
)
@click.option("--size", type=click.IntRange(0, 10_000), default=10, show_default=True, help="Hits per search.")
@click.option(
    "--clients",
    type=click.IntRange(1, MAX_IN_FLIGHT),
    metavar="N",
    help="Clients that search without a pause. [default: 1]",
)
@click.option(
    "--rate", type=FiniteNumber(0.1, 100_000), metavar="N", help="Searches per second; cannot be used with --clients."
)
@click.option(
    "--seconds", type=FiniteNumber(1, 86_400), default=60, show_default=True, help="Duration, both sides together."
)
@click.option(
    "--searches",
    type=click.IntRange(1),
    default=1_000_000,
    show_default=True,
    help="Maximum number of searches per side.",
)
@click.option("--timeout", type=FiniteNumber(0.1, 600), default=30, show_default=True, help="Seconds per search.")
@click.option("--header", "-H", multiple=True, metavar="NAME:VALUE", help="Request header; can be repeated.")
@click.option("--ca", type=_FILE, metavar="FILE", help="PEM file of the CA certificates to trust.")
@click.option("--json", "json_file", type=_FILE, metavar="FILE", help="Write the result as JSON.")
def bench(**options: Any) -> None:
    """Measure throughput and response times under load, with and without reranking.

    The searches alternate between the baseline and the endpoint every five seconds. With --clients, each client sends a
    search as soon as its previous one is answered. With --rate, searches are sent at a fixed rate, and the time of a
    search counts from the time at which it should have been sent. Ctrl-C ends the test and prints the results so far.
    """
    if options["rate"] is not None and options["clients"] is not None:
        raise click.UsageError("--clients and --rate cannot be used together.")
    load = Load(options["seconds"], options["clients"] or 1, options["rate"], options["searches"])
    requests, queries = _requests(options, load)
    tallies = {side: Tally() for side in Side}
    started, processor = time.monotonic(), time.process_time()
    interrupted = _measured(options, load, requests, tallies)
    elapsed = time.monotonic() - started
    setup = Setup(
        endpoint=requests[Side.ENDPOINT].target.url,
        baseline=requests[Side.BASELINE].target.url,
        same=not options["baseline"],
        index=options["index"],
        queries=queries,
        load=load,
        elapsed=elapsed,
        processor=(time.process_time() - processor) / elapsed,
        interrupted=interrupted,
    )
    found = as_json(setup, tallies)
    click.echo("\n".join(lines(found, setup)))
    if options["json_file"]:
        write_text(options["json_file"], json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    if interrupted:
        sys.exit(_INTERRUPTED)


def _requests(options: Mapping[str, Any], load: Load) -> tuple[dict[Side, Requests], int]:
    """Read the queries and the template. Return the searches for baseline and endpoint, and the number of queries."""
    queries, template = read_queries(options["queries"]), read_template(options["query_template"])
    bodies = [json.dumps(template.search(query, options["size"])).encode() for query in queries]
    targets = _targets(options)
    return {side: Requests(target, bodies, load.max_searches) for side, target in targets.items()}, len(queries)


def _targets(options: Mapping[str, Any]) -> dict[Side, SearchTarget]:
    """Return the URL, the index and the headers of the searches for the baseline and the endpoint."""
    headers = dict(map(parse_header, options["header"]))
    off = {} if options["baseline"] else _OFF
    baseline = search_target(options["baseline"] or options["endpoint"], options["index"], {**headers, **off})
    return {
        Side.BASELINE: baseline,
        Side.ENDPOINT: search_target(options["endpoint"], options["index"], headers),
    }


def _measured(
    options: Mapping[str, Any], load: Load, requests: Mapping[Side, Requests], tallies: Mapping[Side, Tally]
) -> bool:
    """Send the searches, and show the progress. Return whether the test was interrupted."""
    with click.progressbar(length=round(load.seconds * 10), label="searching", file=sys.stderr) as bar:
        shown = lambda seconds: bar.update(max(0, min(round(seconds * 10), bar.length or 0) - bar.pos))  # noqa: E731
        try:
            asyncio.run(_run(options, LoadTest(load, requests, tallies, shown)))
        except KeyboardInterrupt:
            return True
        bar.update((bar.length or 0) - bar.pos)
    return False


async def _run(options: Mapping[str, Any], test: LoadTest) -> None:
    """Check that the baseline and the endpoint respond to a search, and run the test.

    Raises:
        SearchError: If the first search of the baseline or of the endpoint fails.

    """
    async with session(options["ca"], timeout=options["timeout"], connections=MAX_IN_FLIGHT) as client:
        for requests in test.requests.values():
            await search(client, requests.target, json.loads(requests.first))
        await run(test, client)
