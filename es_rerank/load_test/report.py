"""Formats the result of a load test as JSON values, and as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from es_rerank.evaluation.values import Side
from es_rerank.load_test.tally import Tally
from es_rerank.load_test.values import Load

# If this process uses more than this share of a CPU core, the measured response times include delays of its own.
_BUSY_CLIENT = 0.8
_CACHED_SHARE = 0.05
_NO_HEADER = "no X-Rerank header"
_SHOWN_ERRORS = 5


@dataclass(frozen=True, slots=True)
class Setup:
    """The inputs of a load test, and its duration.

    Attributes:
        endpoint: Base URL of es-rerank.
        baseline: Base URL of the engine or endpoint that es-rerank is compared with.
        same: Whether the baseline is the endpoint with `X-Rerank-Mode: off`.
        index: The index expression.
        queries: Number of different queries.
        load: The number of clients or the rate of searches.
        elapsed: Duration of the test in seconds.
        processor: CPU time of this process divided by `elapsed`, so 1.0 is one fully used core.
        interrupted: Whether the test was ended early.

    """

    endpoint: str
    baseline: str
    same: bool
    index: str
    queries: int
    load: Load
    elapsed: float
    processor: float
    interrupted: bool = False


Tallies = Mapping[Side, Tally]


def as_json(setup: Setup, tallies: Tallies) -> dict[str, Any]:
    """Return the result of a load test as JSON values. Times are in seconds, ratios are endpoint / baseline."""
    sides = {str(side): _side(tally) for side, tally in tallies.items()}
    return {
        "endpoint": setup.endpoint,
        "baseline": setup.baseline,
        "index": setup.index,
        "queries": setup.queries,
        "load": {"clients": setup.load.clients} if setup.load.rate is None else {"rate": setup.load.rate},
        "elapsed_seconds": setup.elapsed,
        "client_processor_share": setup.processor,
        "interrupted": setup.interrupted,
        "sides": sides,
        "ratios": ratios(sides[Side.ENDPOINT], sides[Side.BASELINE]),
    }


def _side(tally: Tally) -> dict[str, Any]:
    """Return the results of the baseline or of the endpoint as JSON values."""
    return {
        "searches": tally.sent,
        "searches_per_second": tally.answered / tally.busy_seconds if tally.busy_seconds else 0.0,
        "errors": dict(tally.errors.most_common()),
        "unsent": tally.unsent,
        "outcomes": dict(tally.outcomes.most_common()),
        "cached_scores": tally.cached / tally.scored if tally.scored else None,
        "seconds": tally.times.summary(),
        "server_timing": {name: times.summary() for name, times in tally.timings.items()},
        "histogram_us": tally.times.encoded(),
    }


def ratios(endpoint: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, float]:
    """Return the throughput and the response times of the endpoint divided by those of the baseline."""
    pairs = {"searches_per_second": (endpoint["searches_per_second"], baseline["searches_per_second"])}
    pairs |= {
        name: (seconds, baseline["seconds"][name])
        for name, seconds in endpoint["seconds"].items()
        if name in baseline["seconds"]
    }
    return {name: first / second for name, (first, second) in pairs.items() if second}


def lines(found: Mapping[str, Any], setup: Setup) -> Iterator[str]:
    """Yield the lines to print in the terminal, given a result as returned by `as_json`."""
    load = f"{setup.load.clients} clients" if setup.load.rate is None else f"{setup.load.rate:g} searches/s"
    end = ", interrupted" if setup.interrupted else ""
    yield f"{setup.elapsed:.0f} s, {load}, index {setup.index}, {setup.queries} queries{end}"
    yield ""
    yield from _table(("", *Side, "ratio"), _rows(found))
    timing = found["sides"][Side.ENDPOINT]["server_timing"]
    if timing:
        yield ""
        yield from _table(("endpoint, ms", "p50", "p90", "p99", "p99.9"), _timing_rows(timing))
    yield ""
    for name, count in found["sides"][Side.ENDPOINT]["outcomes"].items():
        yield f"{count:6} {name}"
    yield from (f"note: {note}" for note in _notes(found, setup))


def _rows(found: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Yield the rows of the table that compares the two sides. A row is the texts of its cells."""
    sides = [found["sides"][side] for side in Side]
    yield ("searches", *(str(side["searches"]) for side in sides), "")
    yield ("errors", *(str(sum(side["errors"].values())) for side in sides), "")
    for name in ("searches_per_second", *sides[1]["seconds"]):
        values = [side[name] if name in side else side["seconds"].get(name, 0.0) * 1e3 for side in sides]
        title = "searches/s" if name == "searches_per_second" else f"{name} ms"
        ratio = found["ratios"].get(name)
        yield (title, *(f"{value:.1f}" for value in values), "" if ratio is None else f"{ratio:.2f}")


def _timing_rows(timing: Mapping[str, Mapping[str, float]]) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of `Server-Timing`, with percentiles in milliseconds. *timing* is in seconds."""
    for name, seconds in timing.items():
        yield (name, *(f"{seconds.get(share, 0.0) * 1e3:.1f}" for share in ("p50", "p90", "p99", "p99.9")))


def _notes(found: Mapping[str, Any], setup: Setup) -> Iterator[str]:
    """Yield a note on each condition that makes the numbers less reliable."""
    for name, side in found["sides"].items():
        for error, count in list(side["errors"].items())[:_SHOWN_ERRORS]:
            yield f"{name}: {count} searches failed: {error}"
        if side["unsent"]:
            yield f"{name}: {side['unsent']} searches were due but not sent, because it answers fewer. Lower --rate."
    endpoint = found["sides"][Side.ENDPOINT]
    if _NO_HEADER in endpoint["outcomes"]:
        yield f"{setup.endpoint} sent responses without X-Rerank. Is it es-rerank?"
    if (endpoint["cached_scores"] or 0.0) > _CACHED_SHARE:
        yield f"{endpoint['cached_scores']:.0%} of the scores came from the cache, from earlier searches."
    if setup.processor > _BUSY_CLIENT:
        yield (
            f"This process used {setup.processor:.0%} of a processor core, so the times include its own. "
            "Run several of it, with lower loads."
        )


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table whose first column is left-aligned and whose other columns are right-aligned."""
    cells = [head, *rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    for row in cells:
        aligned = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join([row[0].ljust(widths[0]), *aligned]).rstrip()
