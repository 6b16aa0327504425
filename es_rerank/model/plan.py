"""The plan of a search: the hits to request from the engine, the fields for the model, and the page for the client."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from es_rerank.model.rule import Rule
from es_rerank.model.search import IndexInfo


class HitKey(NamedTuple):
    """The key of a document: its index name, id and routing value. The routing value is empty without custom routing.

    An id is unique only within a shard. With custom routing, several shards may have documents with the same id.
    """

    index_name: str
    id: str
    routing: str = ""


class FetchPhase(Enum):
    """Phase of a request to the engine.

    WINDOW: the hits of the window, with everything that the client requested.
    QUERY: the hits of the window, with only the fields that the model reads. A FETCH request follows.
    FETCH: the hits of the client's page, with everything that the client requested.
    """

    WINDOW = auto()
    QUERY = auto()
    FETCH = auto()


@dataclass(frozen=True, slots=True)
class FetchSpec:
    """The hits to request from the engine.

    Attributes:
        phase: The phase of the request.
        from_: `from` of the request.
        size: `size` of the request.
        only: Keys of the hits to return, in the fetch phase; empty in other phases.
        ordered: Whether the engine must return the hits in the order of `only`.

    """

    phase: FetchPhase
    from_: int
    size: int
    only: tuple[HitKey, ...] = ()
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one search.

    Attributes:
        text: The query text for the model.
        start: `from` of the client's page.
        size: `size` of the client's page.
        fetch: The hits to request from the engine, and the phase of the request.
        window: Number of hits that the model reads; 0 for a page beyond the window, where only `_score` is changed.
        rule: The rule of the indices, with the options that the request sets explicitly.
        passage_fields: Fields that the model reads. If `chooses_fields` is true, these are only candidates.
        named_fields: The candidate fields that the query searches or highlights by name.
        chooses_fields: Whether es-rerank chooses among the candidate fields by the hits of the window.
        reads_stored: Whether the model reads stored fields, because the indices have no `_source`.
        info: The indices and the mapping that the plan is based on; None if not all indices are known.
        extra_fields: Fields that only es-rerank requests, not the client; they are removed from the response.
        client_fields: Field patterns that the client requested; fields that match them are never removed.
        min_score: Lowest probability that the client accepts; hits with a lower one are dropped. None for no limit.
        counts_hits: Whether the number of returned hits shows how many match: it is smaller than the requested number
            only if no more hits match.
        hits_only: Whether the response to the query phase is complete if the client's page has no hits, so no fetch
            phase is needed.
        recorded: Whether a plugin of the engine records the hits of the fetch phase. They must then be exactly the hits
            that the client gets.
        without_stored_fields: Whether the client wants hits without `_id` and `_source` (`stored_fields: _none_`).
        target: The index expression of the search, which was used to choose the rule.
        index_options: The URL parameters that control how the index expression is resolved.

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
    counts_hits: bool = False
    named_fields: tuple[str, ...] = ()
    chooses_fields: bool = False
    reads_stored: bool = False
    target: str = ""
    index_options: tuple[tuple[str, str], ...] = ()
    info: IndexInfo | None = field(default=None, compare=False, repr=False)
    hits_only: bool = False
    recorded: bool = False
