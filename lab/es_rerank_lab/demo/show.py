"""Prints the results of the demo."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from es_rerank_lab.demo.client import Hit
from es_rerank_lab.demo.corpus import Query
from es_rerank_lab.demo.measure import Comparison, Row

_SHOWN_HITS = 5
_LANGUAGES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "ja": "Japanese",
    "ko": "Korean",
    "ru": "Russian",
    "zh": "Chinese",
}


def scenario(console: Console, comparison: Comparison) -> None:
    """Print one scenario: the query, why it is hard for BM25, and both rankings side by side."""
    query = comparison.query
    table = Table(title=Text(query.scenario or query.id, style="bold"), title_justify="left", expand=True)
    table.add_column("", width=1)
    table.add_column("engine, top 5", ratio=1, overflow="ellipsis", no_wrap=True)
    table.add_column("reranked, top 5", ratio=1, overflow="ellipsis", no_wrap=True)
    for rank in range(_SHOWN_HITS):
        table.add_row(str(rank + 1), _cell(query, comparison.before, rank), _cell(query, comparison.after, rank))
    console.print()
    console.print(table)
    console.print(f"  query: [bold]{escape(query.text)}[/bold]", highlight=False)
    console.print(f"  why it is hard: {escape(query.trap)}", style="dim", highlight=False)


def languages(console: Console, rows: Sequence[Row]) -> None:
    """Print the table of success@1 and nDCG@10 by language."""
    table = Table(title="Judged queries by language", title_justify="left", title_style="bold")
    table.add_column("language")
    table.add_column("queries", justify="right")
    for name in ("Success@1 before", "Success@1 after", "nDCG@10 before", "nDCG@10 after"):
        table.add_column(name, justify="right")
    has_notes = any(note(row) for row in rows)
    if has_notes:
        table.add_column("note")
    for row in rows:
        if row.language == "all":
            table.add_section()
        table.add_row(
            _LANGUAGES.get(row.language, row.language),
            str(row.queries),
            f"{row.before.top_1:.0%}",
            Text(f"{row.after.top_1:.0%}", style="green" if row.after.top_1 > row.before.top_1 else ""),
            f"{row.before.ndcg:.3f}",
            Text(f"{row.after.ndcg:.3f}", style="green" if row.after.ndcg > row.before.ndcg else ""),
            *([note(row)] if has_notes else []),
        )
    console.print()
    console.print(table)


def note(row: Row) -> str:
    """Return the reason why success@1 did not improve in a row; an empty string if it improved."""
    if row.after.top_1 > row.before.top_1:
        return ""
    if row.before.top_1 == 1:
        return "every first hit was relevant before"
    return f"lost: {', '.join(row.lost)}" if row.lost else "no first hit changed for better or worse"


def _cell(query: Query, hits: Sequence[Hit], rank: int) -> Text:
    """Format the hit at *rank* (from 0). Relevant documents have a mark for their grade."""
    if rank >= len(hits):
        return Text("")
    hit = hits[rank]
    mark, style = {2: ("✓ ", "bold green"), 1: ("· ", "green")}.get(query.relevant.get(hit.id, 0), ("  ", ""))
    return Text(f"{mark}{hit.title}", style=style)
