"""Creates the report of an evaluation: one HTML page that loads no other files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from string import Template

from es_rerank.evaluation import plots, wording
from es_rerank.evaluation.curves import quality_by_window
from es_rerank.evaluation.measures import Cutoffs
from es_rerank.evaluation.summary import PERCENTILES, QueryChange, Summary
from es_rerank.evaluation.values import SearchRecord, Side

_SHOWN_QUERIES = 25
_KEY = '<span class="key {side}"></span> {side}'


def report(summary: Summary, setup: wording.Setup) -> str:
    """Return the report of an evaluation, an HTML page."""
    losses = [one for one in summary.queries if one.change < 0]
    wins = [one for one in reversed(summary.queries) if one.change > 0]
    return page(
        "report.html",
        title=escape(f"Search quality of {setup.index}"),
        subtitle=escape(f"{summary.total.queries} judged queries, {setup.endpoint}"),
        verdict=escape(wording.verdict(summary)),
        notes="".join(f'<p class="note">{escape(note)}</p>' for note in wording.notes(summary, setup)),
        measures=table(wording.HEAD, wording.measure_rows(summary.total)),
        measure=escape(summary.measures[0].title),
        differences=plots.differences(summary.queries, summary.measures[0].title),
        groups=_groups(summary),
        windows=_windows(summary),
        losses=changed_queries(losses, "No query is worse.", setup.cutoffs),
        wins=changed_queries(wins, "No query is better.", setup.cutoffs),
        legend=legend(),
        size=setup.size,
        times_plot=plots.times({side: [one.comparison.of(side).seconds for one in summary.queries] for side in Side}),
        times=_times(summary),
        method=escape(wording.method(setup)),
    )


def page(name: str, **parts: object) -> str:
    """Return an HTML page.

    Args:
        name: File name of a template in this folder.
        parts: The values of the template's placeholders, by name. They must be escaped. `style` is added.

    """
    folder = files(__package__)
    style = (folder / "report.css").read_text(encoding="utf-8")
    return Template((folder / name).read_text(encoding="utf-8")).substitute(style=style, **parts)


def legend() -> str:
    """Return the HTML of the legend, which names the colors of the baseline and of the endpoint."""
    return ", ".join(_KEY.format(side=side) for side in Side)


def _groups(summary: Summary) -> str:
    """Return the HTML section with the measures of each group; empty if there are no groups."""
    if not summary.groups:
        return ""
    head = ("group (queries)", *wording.HEAD[1:])
    return (
        f"<h2>{escape(summary.measures[0].title)} by group</h2><p class='soft'>{legend()}</p>"
        f"{plots.by_group(summary.groups)}"
        f'<div class="scroll">{table(head, wording.group_rows(summary.groups))}</div>'
    )


def _windows(summary: Summary) -> str:
    """Return the HTML section with the measures of each window; empty if no windows were compared."""
    if not summary.windows:
        return ""
    points = {window: group.rows[0].endpoint for window, group in summary.windows.items()}
    title = escape(summary.measures[0].title)
    return (
        f"<h2>{title} by window</h2><p class='soft'>{legend()}. The window is the number of hits that the model "
        f"scores.</p>{quality_by_window(points, summary.total.rows[0].baseline)}"
        f'<div class="scroll">{table(("window", *wording.HEAD[1:]), wording.window_rows(summary))}</div>'
    )


def _times(summary: Summary) -> str:
    """Return the HTML table of search times: percentiles of the baseline and of the endpoint."""
    head = ("percentile", *(str(side) for side in Side))
    rows = [
        (f"p{share}", *(f"{summary.seconds[side][share] * 1000:,.0f} ms" for side in Side)) for share in PERCENTILES
    ]
    return table(head, rows)


def changed_queries(changes: Sequence[QueryChange], none: str, cutoffs: Cutoffs) -> str:
    """Return HTML with the first 25 queries of a list, and their hits from the baseline and from the endpoint.

    Args:
        changes: The queries, in the order of the page.
        none: The text to show if the list is empty.
        cutoffs: The number of hits to show, and the lowest rating of a relevant document.

    """
    if not changes:
        return f"<p>{none}</p>"
    more = len(changes) - _SHOWN_QUERIES
    rest = f'<p class="soft">More in the JSON output: {more}.</p>' if more > 0 else ""
    return "".join(_query(one, cutoffs) for one in changes[:_SHOWN_QUERIES]) + rest


def _query(one: QueryChange, cutoffs: Cutoffs) -> str:
    """Return the HTML of one query with its hits from the baseline and from the endpoint."""
    kind, query = "worse" if one.change < 0 else "better", one.comparison.query
    sides = "".join(f"<div><p class='soft'>{side}</p>{_hits(one, side, cutoffs)}</div>" for side in Side)
    return (
        f"<article><h3 dir='auto'>{escape(query.text)}</h3><p class='soft'>{escape(query.id)}: "
        f"{one.baseline:.3f} → {one.endpoint:.3f} <span class='{kind}'>({one.change:+.3f})</span></p>"
        f"<div class='sides'>{sides}</div></article>"
    )


def _hits(one: QueryChange, side: Side, cutoffs: Cutoffs) -> str:
    """Return an HTML list of the first hits from the baseline or from the endpoint, with their ratings."""
    record: SearchRecord = one.comparison.of(side)
    items = []
    for hit in record.hits[: cutoffs.k]:
        rating = one.comparison.ratings.get(hit.id)
        kind = " relevant" if rating is not None and rating >= cutoffs.relevant else ""
        shown = "?" if rating is None else f"{rating:g}"
        items.append(
            f"<li class='hit{kind}'><span class='rating{kind}' title='rating'>{shown}</span> "
            f"<bdi>{escape(hit.title or hit.id)}</bdi></li>"
        )
    return f"<ol>{''.join(items)}</ol>" if items else "<p>no hits</p>"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return an HTML table. The cells are escaped here."""
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table>"
