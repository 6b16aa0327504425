"""The window of one search while it is scored. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile

from es_rerank.model import ScoreRequest


@dataclass(slots=True)
class Window:
    """The state of a window while its passages are scored.

    Attributes:
        request: The query, the documents and the deadline.
        rows: For each document, the cache keys of its passages.
        count: Number of documents, from the start of the window, that are scored.
        cached: The keys whose scores were in the cache.
        scores: The raw scores received so far, by key.

    """

    request: ScoreRequest
    rows: Sequence[Sequence[bytes]] = ()
    count: int = 0
    cached: frozenset[bytes] = frozenset()
    scores: dict[bytes, float] = field(default_factory=dict)

    def set_rows(self, keys: Sequence[bytes], sizes: Sequence[int]) -> None:
        """Group *keys*, the keys of all passages, by document; *sizes* is the number of passages of each document."""
        remaining = iter(keys)
        self.rows = [list(islice(remaining, size)) for size in sizes]

    def missing(self) -> list[bytes]:
        """Return the distinct keys, in the documents that are scored, whose scores were not in the cache."""
        rows = self.rows[: self.count]
        return list(dict.fromkeys(key for row in rows for key in row if key not in self.cached))

    def scored_head(self) -> int:
        """Return the number of documents before the first one that has a passage without a score."""
        scores = self.scores
        return len(list(takewhile(lambda row: all(key in scores for key in row), self.rows[: self.count])))

    def best_scores(self, count: int) -> list[float]:
        """Return the highest passage score of each of the first *count* documents, without those that have no text."""
        return [max(self.scores[key] for key in row) for row in self.rows[:count] if row]

    def cached_documents(self, count: int) -> int:
        """Return how many of the first *count* documents have all their scores from the cache."""
        return sum(bool(row) and self.cached.issuperset(row) for row in self.rows[:count])
