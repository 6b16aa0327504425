"""The state of the window of one search while it is being scored. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import NamedTuple

from es_rerank.model import ScoreRequest
from es_rerank.rerank.chunking import Cut, Limits
from es_rerank.rerank.prompt import Document


class Place(NamedTuple):
    """A passage: the index of its document among the documents with text, and its number in the document."""

    document: int
    number: int


@dataclass(slots=True)
class Window:
    """The state of a window while its passages are scored.

    Attributes:
        request: The query, the documents and the deadline.
        query: The query as the model sees it.
        limits: The limits of passages.
        documents: The documents of the request that have text.
        cuts: The cut of each of these documents; None for a document that is read whole, or that has not been cut yet.
        numbers: For each of these documents, the numbers of the passages to score; None if not known yet.
        rows: For each document of the request, the cache keys of its passages.
        places: The passage of each key.
        count: Number of documents, from the start of the window, that are scored.
        cached: The keys whose scores were in the cache.
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
        """Set the cuts of some documents, given by their indices."""
        for number, cut in zip(documents, cuts, strict=True):
            self.cuts[number] = cut

    def passages(self) -> list[Place]:
        """Return all passages that are scored, in the order of the documents."""
        rows = enumerate(self.numbers or ())
        return [Place(document, number) for document, numbers in rows for number in numbers]

    def set_keys(self, keys: Sequence[bytes]) -> None:
        """Group *keys*, the keys of all passages, by document."""
        self.places = dict(zip(keys, self.passages(), strict=True))
        remaining = iter(keys)
        by_document = iter([list(islice(remaining, len(numbers))) for numbers in self.numbers or ()])
        self.rows = [next(by_document) if text else [] for text in self.request.documents]

    def missing(self) -> list[bytes]:
        """Return the distinct keys, in the documents that are scored, whose scores were not in the cache."""
        rows = self.rows[: self.count]
        return list(dict.fromkeys(key for row in rows for key in row if key not in self.cached))

    def scored_head(self) -> int:
        """Return the number of documents before the first one that has a passage without a score."""
        scores = self.scores
        return len(list(takewhile(lambda row: all(key in scores for key in row), self.rows[: self.count])))

    def best_scores(self, count: int) -> list[float]:
        """Return the highest passage score of each of the first *count* documents. Those without text are left out."""
        return [max(self.scores[key] for key in row) for row in self.rows[:count] if row]

    def cached_documents(self, count: int) -> int:
        """Return the number of documents, among the first *count*, whose scores were all in the cache."""
        return sum(bool(row) and self.cached.issuperset(row) for row in self.rows[:count])
