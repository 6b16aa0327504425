"""Converts the result of an evaluation to JSON values, and writes both rankings in the formats of TREC."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from es_rerank.errors import EsRerankError
from es_rerank.evaluation.summary import Group, QueryChange, Summary
from es_rerank.evaluation.values import Comparison, Side
from es_rerank.evaluation.wording import Setup

_SPACE = re.compile(r"[\s%]")


def as_json(summary: Summary, setup: Setup) -> dict[str, Any]:
    """Return the result of an evaluation as JSON values. Times are in seconds."""
    return {
        "endpoint": setup.endpoint,
        "baseline": setup.baseline,
        "index": setup.index,
        "k": setup.cutoffs.k,
        "window": setup.cutoffs.window,
        "relevant": setup.cutoffs.relevant,
        "queries_without_judgments": setup.unjudged,
        "judged_queries_without_query": setup.unmatched,
        "outcomes": dict(summary.outcomes),
        "total": _group(summary.total),
        "groups": [_group(group) for group in summary.groups],
        "windows": {str(window): _group(group)["measures"] for window, group in summary.windows.items()},
        "seconds": {side: {f"p{at}": value for at, value in row.items()} for side, row in summary.seconds.items()},
        "queries": [_query(one, summary.measures[0].name) for one in summary.queries],
    }


def _group(group: Group) -> dict[str, Any]:
    """Return the measures of a group of queries as JSON values."""
    measures = {
        row.measure.name: {
            "baseline": row.baseline,
            "endpoint": row.endpoint,
            "difference": row.difference.mean,
            "interval": [row.difference.low, row.difference.high],
            "p": row.difference.p,
            "better": row.difference.better,
            "worse": row.difference.worse,
        }
        for row in group.rows
    }
    return {"name": group.name, "queries": group.queries, "measures": measures}


def _query(one: QueryChange, measure: str) -> dict[str, Any]:
    """Return a query as JSON values: its text, and for baseline and endpoint the value of *measure* and the hit ids."""
    query = one.comparison.query
    values = {"baseline": one.baseline, "endpoint": one.endpoint}
    sides = {side: list(one.comparison.of(side).ids) for side in Side}
    return {"id": query.id, "text": query.text, "fields": dict(query.fields), measure: values, "hits": sides}


def write_runs(folder: Path, comparisons: Sequence[Comparison]) -> None:
    """Write `baseline.run`, `endpoint.run` and `qrels`: both rankings and the judgments in the formats of TREC.

    Spaces in ids, which separate columns, are percent-encoded.

    Raises:
        EsRerankError: If a file cannot be written.

    """
    for side in Side:
        write_text(folder / f"{side}.run", "".join(_run(comparisons, side)))
    lines = [
        f"{_id(one.query.id)} 0 {_id(document)} {rating:g}\n"
        for one in comparisons
        for document, rating in one.ratings.items()
    ]
    write_text(folder / "qrels", "".join(lines))


def write_text(path: Path, text: str) -> None:
    """Write a file, and create its folder if necessary. Raises EsRerankError if this fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EsRerankError(f"{path}: cannot be written: {error.strerror}") from error


def _run(comparisons: Sequence[Comparison], side: Side) -> list[str]:
    """Return the lines of a TREC run file. The last hit of a query has the score 1, the hit above it 2, and so on."""
    return [
        f"{_id(one.query.id)} Q0 {_id(key)} {rank} {len(one.of(side).ids) - rank + 1} {side}\n"
        for one in comparisons
        for rank, key in enumerate(one.of(side).ids, 1)
    ]


def _id(text: str) -> str:
    """Return an id in which white space and percent signs are percent-encoded."""
    return _SPACE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)
