"""What the demo prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from es_rerank_lab.demo.client import Found
from es_rerank_lab.demo.corpus import Query
from es_rerank_lab.demo.measure import Asked, Row

_TOP = 5
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


def scenario(console: Console, asked: Asked) -> None:
    """Print one scenario: the question, what misleads keyword search, and both orders side by side."""
    query = asked.query
    table = Table(title=Text(query.scenario or query.id, style="bold"), title_justify="left", expand=True)
    table.add_column("", width=1)
    table.add_column("the engine's top 5", ratio=1, overflow="ellipsis", no_wrap=True)
    table.add_column("reranked top 5", ratio=1, overflow="ellipsis", no_wrap=True)
    for place in range(_TOP):
        table.add_row(str(place + 1), _cell(query, asked.before, place), _cell(query, asked.after, place))
    console.print()
    console.print(table)
    console.print(f"  asked: [bold]{escape(query.text)}[/bold]", highlight=False)
    console.print(f"  the trap: {escape(query.trap)}", style="dim", highlight=False)


def languages(console: Console, rows: Sequence[Row]) -> None:
    """Print both measures by language."""
    table = Table(title="Judged queries by language", title_justify="left", title_style="bold")
    table.add_column("language")
    table.add_column("queries", justify="right")
    for name in ("Top-1 before", "Top-1 after", "nDCG@10 before", "nDCG@10 after"):
        table.add_column(name, justify="right")
    noted = any(note(row) for row in rows)
    if noted:
        table.add_column("why not better")
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
            *([note(row)] if noted else []),
        )
    console.print()
    console.print(table)


def note(row: Row) -> str:
    """Say why a row is not better than before; nothing for one that is."""
    if row.after.top_1 > row.before.top_1:
        return ""
    if row.before.top_1 == 1:
        return "every first hit was right before"
    return f"lost: {', '.join(row.lost)}" if row.lost else "no first hit lost, none won"


def _cell(query: Query, hits: Sequence[Found], place: int) -> Text:
    """Write one hit; those that are judged to answer or help are marked."""
    if place >= len(hits):
        return Text("")
    hit = hits[place]
    mark, style = {2: ("✓ ", "bold green"), 1: ("· ", "green")}.get(query.relevant.get(hit.id, 0), ("  ", ""))
    return Text(f"{mark}{hit.title}", style=style)
