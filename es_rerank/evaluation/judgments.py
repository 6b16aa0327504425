"""Reads relevance judgments: TREC qrels, BEIR, Quepid, and OpenSearch's Search Relevance Workbench."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from es_rerank.evaluation.source import JsonPath, Place, Source, column, read
from es_rerank.evaluation.values import Query, Ratings

_QUERY = ("queryid", "qid", "query", "querytext")
_DOCUMENT = ("corpusid", "docid", "documentid", "id")
_RATING = ("rating", "score", "relevance", "grade", "label", "judgment")
_QRELS_COLUMNS = 4
# The member of the workbench's JSON that has the list of judgments, and the name of this member in its first version.
_LISTS = ("judgmentRatings", "judgmentScores")

Row = tuple[Place, str, str, float]
"""A judgment: its place in the file, the query, the document, and the rating."""


@dataclass(frozen=True, slots=True)
class Judgments:
    """The judgments of a file by query. The key is the query's id, or its text in files of Quepid and the workbench."""

    by_query: dict[str, dict[str, float]]

    def of(self, query: Query) -> Ratings:
        """Return the ratings of a query; empty if the query is not judged."""
        return self.by_query.get(query.id) or self.by_query.get(query.text) or {}

    def unmatched(self, queries: Sequence[Query]) -> list[str]:
        """Return the ids or texts of the judged queries that are not among *queries*."""
        known = {key for query in queries for key in (query.id, query.text)}
        return [key for key in self.by_query if key not in known]


def read_judgments(path: Path) -> Judgments:
    """Return the judgments in a file. The format is detected from the content.

    Args:
        path: TREC qrels (`query 0 document rating`, https://trec.nist.gov/data/qrels_eng/), or CSV or TSV with a header
            that names a query, a document and a rating: BEIR (`query-id corpus-id score`), Quepid's basic export
            (`query,docid,rating`, https://github.com/o19s/quepid) and CSV of the Search Relevance Workbench
            (`query,docId,rating`); or the workbench's JSON, with `judgmentRatings`
            (https://docs.opensearch.org/latest/search-plugins/search-relevance/judgments/).

    Raises:
        InputError: If a line is malformed, a document has two different ratings for the same query, or there are no
            judgments.

    """
    source = read(path)
    found: dict[str, dict[str, float]] = {}
    for place, query, document, rating in _rows(source):
        ratings = found.setdefault(query, {})
        if ratings.setdefault(document, rating) != rating:
            raise source.error(place, f"differs from an earlier rating of {document!r}", "rating")
    if not found:
        raise source.error(None, "has no judgments")
    return Judgments(found)


def _rows(source: Source) -> Iterator[Row]:
    """Yield the judgments in a file of any of the formats."""
    if source.text.lstrip()[0] in "{[":
        return _workbench(source)
    first = next(source.lines)[1].split()
    qrels = len(first) == _QRELS_COLUMNS and _is_number(first[-1])
    return _qrels(source) if qrels else _table(source)


def _qrels(source: Source) -> Iterator[Row]:
    """Yield the judgments in TREC qrels: query, iteration, document and rating, separated by spaces or tabs."""
    for line, text in source.lines:
        cells = text.split()
        if len(cells) != _QRELS_COLUMNS:
            raise source.error(line, f"has {len(cells)} columns; qrels have 4: query, iteration, document, rating")
        yield line, cells[0], cells[2], _number(source, line, cells[3])


def _table(source: Source) -> Iterator[Row]:
    """Yield the judgments in CSV or TSV. Rows with only a query, as Quepid exports unjudged queries, are skipped."""
    rows = source.rows()
    line, head = next(rows)
    at = [column(head, names) for names in (_QUERY, _DOCUMENT, _RATING)]
    for name, place, known in zip(("query", "document", "rating"), at, (_QUERY, _DOCUMENT, _RATING), strict=True):
        if place is None:
            raise source.error(line, f"the header has no column {' or '.join(known)}", name)
    query, document, rating = (place or 0 for place in at)
    for number, row in rows:
        if len(row) == len(head):
            yield number, row[query], row[document], _number(source, number, row[rating], head[rating])
        elif len(row) != 1:
            raise source.error(number, f"has {len(row)} columns; the header has {len(head)}")


def _workbench(source: Source) -> Iterator[Row]:
    """Yield the judgments in the workbench's JSON: a request that imports judgments, or a response with judgments."""
    path, lists = _find_lists(source.json(), ())
    if not isinstance(lists, list):
        raise source.error(1, "must be a list of objects with `query` and `ratings`", _LISTS[0])
    for at, one in enumerate(lists):
        query = _member(source, one, (*path, at), "query")
        ratings = _member(source, one, (*path, at), "ratings")
        for position, row in enumerate(ratings if isinstance(ratings, list) else ()):
            place = (*path, at, "ratings", position)
            document, rating = (_member(source, row, place, name) for name in ("docId", "rating"))
            number = _number(source, (*place, "rating"), str(rating), _dotted((*place, "rating")))
            yield (*place, "rating"), str(query), str(document), number


def _find_lists(value: Any, path: JsonPath) -> tuple[JsonPath, Any]:
    """Return the path and the value of the list of judgments: at the top level or in the hits of a response."""
    if isinstance(value, list):
        return path, value
    name = next((name for name in _LISTS if name in value), None)
    if name:
        return (*path, name), value[name]
    try:
        inner: JsonPath = ("_source",) if "_source" in value else ("hits", "hits", 0, "_source")
        for step in inner:
            value = value[step]
    except (KeyError, IndexError, TypeError):
        return path, None
    return _find_lists(value, (*path, *inner)) if isinstance(value, dict) else (path, None)


def _member(source: Source, row: Any, path: JsonPath, name: str) -> Any:
    """Return a member of an object. Raises InputError if it is missing."""
    if isinstance(row, dict) and name in row:
        return row[name]
    raise source.error(path, "is missing", _dotted((*path, name)))


def _dotted(path: JsonPath) -> str:
    """Return a JSON path as text, such as `judgmentRatings[0].query`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _is_number(text: str) -> bool:
    """Return whether a text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _number(source: Source, place: Place, text: str, field: str = "rating") -> float:
    """Return a rating as a number. Raises InputError if it is not a finite number."""
    if not _is_number(text):
        raise source.error(place, f"{text!r} is not a number", field)
    return float(text)
