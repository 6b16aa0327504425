"""Reads click logs in CSV or TSV, with one row per shown document: query, document, position, and clicked or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from es_rerank.evaluation.click_model import Impression
from es_rerank.evaluation.log_lines import log_error, table_rows
from es_rerank.evaluation.source import column

# The names that each column may have, as returned by `plain_name`.
_COLUMNS: Mapping[str, Sequence[str]] = {
    "query": ("query", "querytext", "userquery", "text"),
    "document": ("document", "docid", "documentid", "objectid", "id"),
    "position": ("position", "rank", "ordinal"),
    "clicked": ("clicked", "click", "clicks"),
}
_CLICKED: Mapping[str, bool] = {
    "1": True,
    "true": True,
    "yes": True,
    "0": False,
    "false": False,
    "no": False,
    "": False,
}


def read_clicks(path: Path) -> Iterator[Impression]:
    """Yield the impressions in a click log.

    Args:
        path: CSV or TSV with a header that names query, document, position (from 1) and clicked (1 or 0, true or
            false). Documents that were shown but not clicked must have rows, too.

    Raises:
        InputError: If a column is missing or a value is malformed.

    """
    rows = table_rows(path)
    line, head = next(rows)
    at = {field: column(head, names) for field, names in _COLUMNS.items()}
    for field, place in at.items():
        if place is None:
            raise log_error(path, line, f"the header has no column {' or '.join(_COLUMNS[field])}", field)
    places = [place or 0 for place in at.values()]
    for number, row in rows:
        query, document, position, clicked = (row[place] for place in places)
        for field, value in (("query", query), ("document", document)):
            if not value:
                raise log_error(path, number, "is empty", field)
        if not (position.isascii() and position.isdigit() and int(position)):
            raise log_error(path, number, f"{position!r} is not a position: the first is 1", "position")
        if clicked.lower() not in _CLICKED:
            raise log_error(path, number, f"{clicked!r} is neither 1 nor 0, true nor false", "clicked")
        yield Impression(normalized(query), document, int(position), _CLICKED[clicked.lower()])


def normalized(query: str) -> str:
    """Return a query text with single spaces. Texts that differ only in white space count as the same query."""
    return " ".join(query.split())
