"""Stores the results of an evaluation's searches in a file, so that an interrupted evaluation can be continued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from es_rerank.evaluation.records import RecordFormat, Records
from es_rerank.evaluation.values import FoundHit, SearchRecord, Side

_WINDOWS = "windows"


@dataclass(frozen=True, slots=True)
class Searches:
    """The results of the searches for one query: of the baseline, of the endpoint, and of each smaller window."""

    sides: Mapping[Side, SearchRecord]
    windows: Mapping[int, SearchRecord] = field(default_factory=dict)


class Journal(Records[Searches]):
    """Stores the finished searches of each query, see `Records`."""

    def __init__(self, conditions: Mapping[str, Any], path: Path | None = None) -> None:
        """Read the file if it exists. Raises InputError if it was written with other *conditions*, see `Records`."""
        super().__init__(conditions, _FORMAT, path)


def _dump(searches: Searches) -> Mapping[str, Any]:
    """Return the searches for a query as JSON values."""
    sides = {str(side): asdict(record) for side, record in searches.sides.items()}
    windows = {str(window): asdict(record) for window, record in searches.windows.items()}
    return {**sides, **({_WINDOWS: windows} if windows else {})}


def _load(row: Mapping[str, Any]) -> Searches:
    """Return the searches for a query, given as JSON values."""
    windows = {int(window): _record(record) for window, record in row.get(_WINDOWS, {}).items()}
    return Searches({side: _record(row[side]) for side in Side}, windows)


def _record(row: Mapping[str, Any]) -> SearchRecord:
    """Return the result of a search, given as a JSON object."""
    return SearchRecord(tuple(FoundHit(**hit) for hit in row["hits"]), row["seconds"], row["outcome"])


_FORMAT = RecordFormat("a search of an evaluation", _dump, _load)
