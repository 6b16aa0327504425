"""Estimates the relevance of documents from clicks, with the measure "clicks over expected clicks" (COEC)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

Pair = tuple[str, str]
"""A query text and the id of a document."""


class Impression(NamedTuple):
    """A document that was shown for a query, its position from 1, and whether it was clicked."""

    query: str
    document: str
    position: int
    clicked: bool


@dataclass(slots=True)
class Tally:
    """The number of impressions and of clicks."""

    impressions: int = 0
    clicks: int = 0

    def add(self, clicks: int) -> None:
        """Count one impression with *clicks* clicks, 0 or 1."""
        self.impressions += 1
        self.clicks += clicks

    @property
    def rate(self) -> float:
        """The click-through rate: clicks per impression, or 0 without impressions."""
        return self.clicks / self.impressions if self.impressions else 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """The impressions and clicks of one document for one query.

    Attributes:
        query: The query text.
        document: The id of the document.
        impressions: How often the document was shown.
        clicks: How often the document was clicked.
        expected: How many clicks an average document would have got at the same positions.

    """

    query: str
    document: str
    impressions: int
    clicks: int
    expected: float

    def rating(self, prior: float = 0.0) -> float:
        """Return `clicks / (expected + prior)`: 1 for a document that is clicked as often as expected.

        With a prior of 0, this is the COEC of Zhang and Jones, "Comparing Click Logs and Editorial Labels for Training
        Query Rewriting" (Query Log Analysis workshop, WWW 2007). A prior lowers ratings that are based on few clicks:
        one click on a document that was shown three times at position 10 is only weak evidence.

        Args:
            prior: Expected clicks to add, at least 0.

        """
        expected = self.expected + prior
        return self.clicks / expected if expected else 0.0


class ClickModel:
    """Counts impressions and clicks per position, and per query, document and position."""

    def __init__(self, depth: int) -> None:
        """Count impressions at the first *depth* positions. Impressions at lower positions are ignored."""
        self._depth = depth
        self._positions: defaultdict[int, Tally] = defaultdict(Tally)
        self._pairs: defaultdict[Pair, defaultdict[int, Tally]] = defaultdict(lambda: defaultdict(Tally))

    def add(self, impressions: Iterable[Impression]) -> None:
        """Count impressions and their clicks."""
        for query, document, position, clicked in impressions:
            if position <= self._depth:
                self._positions[position].add(clicked)
                self._pairs[query, document][position].add(clicked)

    @property
    def positions(self) -> Mapping[int, Tally]:
        """The impressions and clicks at each position, over all queries."""
        return dict(sorted(self._positions.items()))

    def evidence(self) -> Iterator[Evidence]:
        """Yield the evidence for each document of each query. Queries are in the order of their first impression.

        The expected clicks of an impression are the click-through rate of its position over all queries. They correct
        for position bias: users look less often at lower positions.
        """
        for (query, document), tallies in self._pairs.items():
            yield Evidence(
                query,
                document,
                sum(tally.impressions for tally in tallies.values()),
                sum(tally.clicks for tally in tallies.values()),
                sum(tally.impressions * self._positions[position].rate for position, tally in tallies.items()),
            )
