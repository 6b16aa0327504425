"""A decoded search request, and the indices and field types that its index expression resolves to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import msgspec

from es_rerank.jsonspan import Span, decode, members
from es_rerank.model.budget import DEFAULT_BUDGET, PlanningBudget


@dataclass(frozen=True, slots=True)
class SearchBody:
    """A search body, decoded once.

    Attributes:
        raw: The bytes that the client sent; empty if the search has no body.
        spans: The byte span of each member's value in `raw`.
        values: The decoded members.

    """

    raw: bytes = b""
    spans: Mapping[str, Span] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: bytes) -> SearchBody:
        """Decode a search body. An empty body has no members.

        Raises:
            ValueError: The body is not a JSON object, has a duplicate key, or is nested too deeply.

        """
        if not raw:
            return cls()
        values = decode(raw, dict[str, Any])
        return cls(raw, members(raw), values)

    def members(self) -> dict[str, msgspec.Raw]:
        """Return the raw bytes of each member, for building a new body."""
        return {name: msgspec.Raw(span.of(self.raw)) for name, span in self.spans.items()}


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """Reranking options that a request sets explicitly, with a native retriever, `ext.rerank` or a header.

    Attributes:
        text: The query text for the model.
        fields: The fields that the model reads; empty means the rule's fields.
        window: Maximum number of hits that the model reads and that are returned; None for no such limit.
        min_score: Lowest probability; hits with a lower one are dropped. None for no limit.
        chunks: Whether long documents are scored passage by passage.
        from_header: Whether the query text comes from the `X-Rerank-Query` header.

    """

    text: str
    fields: tuple[str, ...] = ()
    window: int | None = None
    min_score: float | None = None
    chunks: bool = False
    from_header: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """One search as the client sent it.

    Attributes:
        target: The decoded index expression; empty means all indices.
        params: The decoded URL parameters; the last value of a repeated parameter.
        body: The search body; native rerankers that es-rerank replaces are removed from it.
        rerank_request: The explicit reranking options; None if the request has none.
        without_reranker: Whether a native reranker was removed from the body.
        budget: Limits on the size of the body and the complexity of the query, so that planning the search is fast.
        from_template: Whether the engine rendered the body from a search template. Unless fields are
            named explicitly, the model then reads only fields that the hits in the response contain.

    """

    target: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: SearchBody = SearchBody()
    rerank_request: RerankRequest | None = None
    without_reranker: bool = False
    budget: PlanningBudget = field(default=DEFAULT_BUDGET, compare=False)
    from_template: bool = False


class PipelineEffect(IntEnum):
    """Whether the result of a search pipeline depends on which hits are requested from the engine.

    NONE: The result does not depend on the requested hits.
    PER_HIT: The pipeline changes each hit independently of the others.
    PAGE: The pipeline sets the page, or reads all hits of the page, so it must get the client's own page.
    """

    NONE = 0
    PER_HIT = 1
    PAGE = 2


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """The indices of a search.

    Attributes:
        names: The concrete index names that the index expression resolves to.
        field_types: The type of each leaf field, by field path.
        pipeline: The effect of the search pipeline that the search uses.
        max_result_window: The index setting `index.max_result_window`; None if it is not known, because the engine has
            not rejected a search with more hits yet.
        has_source: Whether hits have a `_source`; false once hits without one were seen.
        memo: Cached results of functions of `field_types`, by name, so that each is computed only once.

    """

    names: tuple[str, ...]
    field_types: Mapping[str, str]
    pipeline: PipelineEffect = PipelineEffect.NONE
    max_result_window: int | None = None
    has_source: bool = True
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


class Mappings:
    """Receives corrections of cached mappings from the pipeline. This base class has no cache and ignores them."""

    def forget(self, info: IndexInfo) -> bool:  # noqa: ARG002
        """Remove a mapping, because hits are from other indices. Return whether the next search requests it again."""
        return False

    def learn_source(self, info: IndexInfo, *, has_source: bool) -> None:
        """Store whether the hits of indices have a `_source`."""
