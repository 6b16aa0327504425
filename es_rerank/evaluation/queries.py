"""Reads queries: JSON Lines (BEIR), TREC topics, CSV or TSV."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from es_rerank.evaluation.source import InputError, Source, column, plain_name, read
from es_rerank.evaluation.values import Query

_ID = ("id", "queryid", "qid", "querynumber", "topicid")
_TEXT = ("text", "query", "querytext")
_TSV_COLUMNS = 2
# Topics of TREC: https://trec.nist.gov/data/topics_eng/ (`<num> Number: 301`), and as XML (`<topic number="1">`).
_TOPIC = re.compile(r"<(?:top|topic)\b([^>]*)>(.*?)</(?:top|topic)>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<(\w+)[^>]*>\s*([^<]*)", re.IGNORECASE)
_NUMBER = re.compile(r"\bnumber\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_LABEL = re.compile(r"^(?:number|topic)\s*:\s*", re.IGNORECASE)
_TOPIC_TEXT = ("title", "query")


def read_queries(path: Path) -> list[Query]:
    """Return the queries in a file. The format is detected from the content.

    Args:
        path: JSON Lines with `_id` and `text` (https://github.com/beir-cellar/beir/wiki/Load-your-custom-dataset), TREC
            topics, CSV or TSV with a header, or TSV with the two columns id and text. All other columns become
            `Query.fields`.

    Raises:
        InputError: If a line is malformed, an id is repeated, or there are no queries.

    """
    source = read(path)
    reader = {"{": _json_lines, "<": _topics}.get(source.text.lstrip()[0], _table)
    found: dict[str, Query] = {}
    for line, query in reader(source):
        if not query.text:
            raise source.error(line, "is empty", "text")
        if query.id in found:
            raise source.error(line, f"{query.id!r} is used by an earlier query", "id")
        found[query.id] = query
    if not found:
        raise source.error(None, "has no queries")
    return list(found.values())


def _json_lines(source: Source) -> Iterator[tuple[int, Query]]:
    """Yield the queries in JSON Lines, with line numbers. Members of `metadata` count as columns."""
    for line, row in source.json_lines():
        metadata = row.get("metadata")
        cells = {**(metadata if isinstance(metadata, dict) else {}), **row}
        yield line, _query(source, line, {name: _shown(value) for name, value in cells.items() if _scalar(value)})


def _table(source: Source) -> Iterator[tuple[int, Query]]:
    """Yield the queries in CSV or TSV, with line numbers."""
    rows = source.rows()
    line, head = next(rows)
    if column(head, _TEXT) is None:
        if len(head) != _TSV_COLUMNS or "\t" not in source.text.lstrip().splitlines()[0]:
            raise source.error(line, f"has no column for the query text: {', '.join(_TEXT)}")
        yield line, Query(head[0], head[1])
        head = ["id", "text"]
    for number, row in rows:
        if len(row) != len(head):
            raise source.error(number, f"has {len(row)} columns; the header has {len(head)}")
        yield number, _query(source, number, dict(zip(head, row, strict=True)))


def _topics(source: Source) -> Iterator[tuple[int, Query]]:
    """Yield the queries in TREC topics, with line numbers. The title is the query text; other parts become fields."""
    for topic in _TOPIC.finditer(source.text):
        line = source.text.count("\n", 0, topic.start()) + 1
        parts = {tag[1].lower(): html.unescape(" ".join(tag[2].split())) for tag in _TAG.finditer(topic[2])}
        number = _NUMBER.search(topic[1])
        key = number[1] if number else _LABEL.sub("", parts.get("num", ""))
        text = next((parts[name] for name in _TOPIC_TEXT if name in parts), "")
        if not key:
            raise source.error(line, "is missing", "num")
        fields = {name: value for name, value in parts.items() if name not in {"num", *_TOPIC_TEXT}}
        yield line, Query(key, _LABEL.sub("", text), fields)


def _query(source: Source, line: int, cells: Mapping[str, str]) -> Query:
    """Return the query in a row. If the row has no id, the text is the id, as in the exports of Quepid."""
    names = list(cells)
    text, key = column(names, _TEXT), column(names, _ID)
    if text is None:
        raise source.error(line, "is missing", "text")
    used = {names[at] for at in (text, key) if at is not None}
    fields = {name: value for name, value in cells.items() if name not in used and plain_name(name) != "metadata"}
    return Query((cells[names[key]] if key is not None else "") or cells[names[text]], cells[names[text]], fields)


def _scalar(value: Any) -> bool:
    """Return whether a JSON value is a string, a number or a boolean."""
    return isinstance(value, str | int | float | bool)


def _shown(value: Any) -> str:
    """Return a JSON scalar as text, without spaces around it."""
    return value.strip() if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def check_field(queries: Sequence[Query], name: str) -> None:
    """Check that at least one query has the field *name*. Otherwise, raise InputError, which lists all fields."""
    fields = sorted({field for query in queries for field in query.fields})
    if name not in fields:
        raise InputError(f"--by: no query has the field {name!r}; the fields are: {', '.join(fields) or 'none'}")
