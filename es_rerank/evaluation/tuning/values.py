"""The values that the parts of tuning exchange: ways to build passages, and the model's scores for each query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from es_rerank.evaluation.values import FoundHit, Query, Ratings
from es_rerank.model import LongDocuments, Rule


@dataclass(frozen=True, slots=True)
class PassageVariant:
    """One way to build the passages of a hit.

    Attributes:
        name: The difference from the current rule, as a label in tables.
        fields: The fields that the model reads; empty if es-rerank chooses them for each search by its hits.
        template: Template of the passage text; None joins the fields with newlines.
        long: The mode for documents that are longer than a passage.

    """

    name: str
    fields: tuple[str, ...]
    template: str | None
    long: LongDocuments

    def applied(self, rule: Rule, window: int) -> Rule:
        """Return *rule* with the passages of this variant and with *window*."""
        return replace(rule, fields=self.fields, template=self.template, long=self.long, window=window)


Place = tuple[int, int]
"""The index of a passage variant, and a window. Together, they determine which passages the model reads."""


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """The scores of one window with one passage variant.

    Attributes:
        model: The model's probability for each hit of the window; None for a hit without text.
        exact: Whether the first hit is an exact match of the query.
        passages: Number of passages that the model reads.
        tokens: Approximate number of tokens of these passages.

    """

    model: Sequence[float | None]
    exact: bool = False
    passages: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Pool:
    """The engine's hits for one judged query, and the scores of their windows.

    Attributes:
        query: The query.
        ratings: The rating of each judged document, by id.
        hits: The hits in the engine's order.
        engine: The engine's score of each hit.
        windows: The model's scores, by passage variant and window.

    """

    query: Query
    ratings: Ratings
    hits: Sequence[FoundHit]
    engine: Sequence[float]
    windows: Mapping[Place, ScoredWindow]
