"""`es-rerank size`: calculate how many rerank servers and processor cores a number of searches needs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from statistics import mean
from typing import Any

import click

from es_rerank.cli.options import EXISTING_FILE, FiniteNumber, parse_header
from es_rerank.cli.tables import table
from es_rerank.config.types import seconds
from es_rerank.errors import EsRerankError
from es_rerank.rerank.sizing import HEADROOM, SPARE_SERVERS, Sizing, endpoint_cores

_NOT_MEASURED = (
    "has not measured a throughput yet: send more searches than the servers can handle, and repeat the command after a "
    "minute, while they are still being sent"
)


def _duration(_context: click.Context, _option: click.Parameter, value: str) -> float:
    """Return a duration such as `3s` in seconds."""
    try:
        return seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.option(
    "--tokens-per-second",
    type=FiniteNumber(1, 1e9),
    metavar="N",
    help="Measured throughput of one rerank server.",
)
@click.option("--endpoint", metavar="URL", help="URL of the admin pages of a running es-rerank, which has measured it.")
@click.option("--window", type=click.IntRange(2, 1000), default=50, show_default=True, help="Hits read per search.")
@click.option(
    "--passage-tokens",
    type=click.IntRange(1, 131_072),
    default=256,
    show_default=True,
    help="Mean tokens of a passage, with query and prompt.",
)
@click.option(
    "--deadline", callback=_duration, default="3s", show_default=True, metavar="DURATION", help="Deadline of a search."
)
@click.option("--peak", type=FiniteNumber(0.001, 1e7), metavar="N", help="Searches per second at the peak.")
@click.option(
    "--hit-rate",
    type=FiniteNumber(0, 0.99),
    default=0,
    show_default=True,
    metavar="SHARE",
    help="Share of the passages whose scores are cached, 0 to 0.99.",
)
@click.option("--header", "-H", multiple=True, metavar="NAME:VALUE", help="Header for --endpoint; can be repeated.")
@click.option(
    "--ca", type=EXISTING_FILE, metavar="FILE", help="PEM file of the CA certificates to trust, for --endpoint."
)
def size(**options: Any) -> None:
    """Calculate how many rerank servers and processor cores a number of searches needs.

    Set the throughput of a server with --tokens-per-second, or read it from a running es-rerank with --endpoint. A
    running es-rerank measures the recent work of its servers, which equals their throughput only under load.
    """
    if (options["tokens_per_second"] is None) == (options["endpoint"] is None):
        raise click.UsageError("Give either --tokens-per-second or --endpoint.")
    rate = options["tokens_per_second"] or _measured(options)
    sizing = Sizing(rate, options["window"], options["passage_tokens"], options["hit_rate"])
    rows = list(_rows(sizing, options["deadline"], options["peak"]))
    click.echo("\n".join(table(("one server", f"{rate:,.0f} tokens/s"), rows)))


def _rows(sizing: Sizing, deadline: float, peak: float | None) -> Iterator[tuple[str, str]]:
    """Yield the rows of the output. *deadline* is in seconds, *peak* in searches per second (None omits its rows)."""
    yield "tokens of a new search", f"{sizing.search_tokens:,}"
    yield "model time of a new search", shown_seconds(sizing.search_seconds)
    fits = sizing.fits(deadline)
    yield f"at most half of the deadline of {deadline:g} s", "yes" if fits else "no"
    if not fits:
        yield "largest window that fits", f"{sizing.largest_window(deadline):,}"
    cached = f", {sizing.hit_rate:.0%} of scores cached" if sizing.hit_rate else ""
    yield f"searches/s at {HEADROOM:.0%} of the throughput{cached}", shown_rate(sizing.searches_per_second)
    if peak is not None:
        yield f"servers for {peak:g} searches/s, with {SPARE_SERVERS} spare", f"{sizing.servers(peak):,}"
        yield f"processor cores of endpoints for {peak:g} searches/s", f"{endpoint_cores(peak):,}"


def _measured(options: Mapping[str, Any]) -> float:
    """Return the mean throughput of the rerank servers of a running es-rerank, in tokens per second.

    Raises:
        EsRerankError: If es-rerank cannot be reached, or has not measured a throughput.

    """
    # Imported here, because this module imports the server, which is not needed without --endpoint.
    from es_rerank.cli import admin_client  # noqa: PLC0415

    url = options["endpoint"].rstrip("/")
    pages = admin_client.AdminPages(url, dict(map(parse_header, options["header"])), options["ca"])
    status = asyncio.run(admin_client.read_status(pages))
    rates = {one["url"]: one["tokens_per_second"] for one in status["reranker"]["servers"] if one["tokens_per_second"]}
    if not rates:
        raise EsRerankError(f"--endpoint: {url} {_NOT_MEASURED}")
    if len(rates) > 1:
        click.echo(
            "\n".join([*table(("server", "tokens/s"), [(one, f"{rate:,.0f}") for one, rate in rates.items()]), ""])
        )
    measured: list[float] = list(rates.values())
    return mean(measured)


def shown_rate(searches: float) -> str:
    """Return a number of searches per second as text, such as `1,234.5`; below 1, with two significant digits."""
    return f"{searches:,.1f}" if searches >= 1 else f"{searches:.2g}"


def shown_seconds(seconds: float) -> str:
    """Return a time, given in seconds, as text in milliseconds or seconds, such as `58 ms`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"
