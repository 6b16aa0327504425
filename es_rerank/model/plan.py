"""The plan of a search: what the engine is asked for, what the model reads and which page the client gets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from es_rerank.model.rule import Rule

HitKey = tuple[str, str]
"""What identifies a hit: the name of its index and its id."""


class FetchPhase(Enum):
    """What a request to the engine fetches.

    WINDOW: the hits of the window, with everything that the client asked for.
    QUERY: the hits of the window, with only what the model reads; a FETCH request follows.
    FETCH: the hits of the client's page, with everything that the client asked for.
    """

    WINDOW = auto()
    QUERY = auto()
    FETCH = auto()


@dataclass(frozen=True, slots=True)
class FetchSpec:
    """Which hits the engine is asked for: `from_` and `size` of the request, and in the fetch phase `only` these."""

    phase: FetchPhase
    from_: int
    size: int
    only: tuple[HitKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done for a search.

    Attributes:
        text: The query text for the model.
        start: `from` of the client's page.
        size: `size` of the client's page.
        fetch: What the engine is asked for.
        window: Number of hits that the model reads; 0 is a page beyond the window, only its scores change.
        rule: The rule of the indices, with what the request asked for explicitly.
        passage_fields: Fields that the model reads.
        extra_fields: Fields that are asked for in addition to the client's own, and removed from the response.
        client_fields: Field patterns that the client asked for itself; what matches them is not removed.
        min_score: Hits with a lower probability are left out.
        without_stored_fields: Whether the client wants hits without `_id` and `_source` (`stored_fields: _none_`).

    """

    text: str
    start: int
    size: int
    fetch: FetchSpec
    window: int
    rule: Rule
    passage_fields: tuple[str, ...]
    extra_fields: tuple[str, ...] = ()
    client_fields: tuple[str, ...] = ()
    min_score: float | None = None
    without_stored_fields: bool = False
