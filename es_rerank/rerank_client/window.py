"""The state of the window of one search while it is being scored. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

from es_rerank.model import ScoreRequest
from es_rerank.rerank.chunking import Cut, Limits
from es_rerank.rerank.prompt import Document


class Place(NamedTuple):
    """The position of a passage: the index of its document in `Window.documents`, and its number in the document."""

    document: int
    number: int


@dataclass(slots=True)
class Window:
    """The state of a window while its passages are scored.

    Attributes:
        request: The query, the documents and the deadline.
        query: The query text, truncated and with escaped special tokens.
        limits: The limits of passages.
        documents: The documents of the request that have text.
        cuts: The passage positions of each item of `documents`; None for a document that is a single passage, or that
            has not been split yet.
        numbers: The numbers of the passages to score, for each item of `documents`; None before they are chosen.
        rows: The cache keys of the passages to score, for each document of the request; empty for one without text.
        places: The position of each passage, by its cache key.
        count: Number of documents, from the start of the window, that are scored.
        cached: The keys whose scores or vectors were in the cache.
        scores: The raw scores received so far, by key.
        query_key: The key of the query's vector, if windows are scored from vectors.
        vectors: The vectors of the query and of passages received so far, by key.

    """

    request: ScoreRequest
    query: str
    limits: Limits
    documents: Sequence[Document] = ()
    cuts: list[Cut | None] = field(default_factory=list)
    numbers: Sequence[Sequence[int]] | None = None
    rows: Sequence[Sequence[bytes]] = ()
    places: Mapping[bytes, Place] = field(default_factory=dict)
    count: int = 0
    cached: frozenset[bytes] = frozenset()
    scores: dict[bytes, float] = field(default_factory=dict)
    query_key: bytes = b""
    vectors: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether the score of each passage is known."""
        return self.numbers is not None and len(self.scores) == len(self.places)

    def set_cuts(self, documents: Iterable[int], cuts: Iterable[Cut | None]) -> None:
        """Set the passage positions of some documents, given by their indices in `documents`."""
        for number, cut in zip(documents, cuts, strict=True):
            self.cuts[number] = cut

    def set_keys(self, keys: Iterable[Sequence[bytes]]) -> None:
        """Set the cache keys of the passages of each item of `documents`."""
        by_document = list(keys)
        self.places = {
            key: Place(document, number)
            for document, (row, numbers) in enumerate(zip(by_document, self.numbers or (), strict=True))
            for key, number in zip(row, numbers, strict=True)
        }
        remaining = iter(by_document)
        self.rows = [next(remaining) if text else () for text in self.request.documents]

    def missing(self) -> list[bytes]:
        """Return the distinct keys of the passages to score whose scores or vectors were not in the cache."""
        cached = self.cached
        if self.count == len(self.rows):
            return [key for key in self.places if key not in cached]
        return list(dict.fromkeys(key for row in self.rows[: self.count] for key in row if key not in cached))

    def scored_head(self) -> int:
        """Return the number of documents before the first one that has a passage without a score."""
        scores = self.scores
        return len(list(takewhile(lambda row: all(key in scores for key in row), self.rows[: self.count])))

    def best_scores(self, count: int) -> list[float]:
        """Return the best passage score of each of the first *count* documents, leaving out documents without text."""
        scores = self.scores
        return [max([scores[key] for key in row]) for row in self.rows[:count] if row]

    def cached_documents(self, count: int) -> int:
        """Return the number of documents, among the first *count*, whose scores were all in the cache."""
        cached = self.cached
        return sum(bool(row) and cached.issuperset(row) for row in self.rows[:count]) if cached else 0
