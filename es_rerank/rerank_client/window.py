"""The window of one search while it is scored. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile

from es_rerank.model import ScoreRequest


@dataclass(slots=True)
class Window:
    """A window on its way from documents to scores.

    Attributes:
        request: The documents, the query and the deadline.
        rows: The keys of the passages of each document.
        count: How many documents are read.
        cached: The keys whose scores were cached.
        scores: The raw scores that are known so far, by key.

    """

    request: ScoreRequest
    rows: Sequence[Sequence[bytes]] = ()
    count: int = 0
    cached: frozenset[bytes] = frozenset()
    scores: dict[bytes, float] = field(default_factory=dict)

    def set_rows(self, keys: Sequence[bytes], sizes: Sequence[int]) -> None:
        """Distribute the keys of all passages over documents with this many passages each."""
        remaining = iter(keys)
        self.rows = [list(islice(remaining, size)) for size in sizes]

    def missing(self) -> list[bytes]:
        """Return the keys that are read and were not cached, each once."""
        rows = self.rows[: self.count]
        return list(dict.fromkeys(key for row in rows for key in row if key not in self.cached))

    def scored_head(self) -> int:
        """Return how many documents at the head of the window are scored completely."""
        scores = self.scores
        return len(list(takewhile(lambda row: all(key in scores for key in row), self.rows[: self.count])))

    def best_scores(self, count: int) -> list[float]:
        """Return the score of the best passage of each of the first *count* documents that have a passage."""
        return [max(self.scores[key] for key in row) for row in self.rows[:count] if row]

    def cached_documents(self, count: int) -> int:
        """Return how many of the first *count* documents needed no request."""
        return sum(bool(row) and self.cached.issuperset(row) for row in self.rows[:count])
