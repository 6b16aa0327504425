"""A decoded search request, and the indices and field types that its index expression resolves to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from es_rerank.jsonspan import Span, check_depth, members


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
        check_depth(raw)
        return cls(raw, members(raw), msgspec.json.decode(raw, type=dict[str, Any])) if raw else cls()

    def members(self) -> dict[str, msgspec.Raw]:
        """Return the raw bytes of each member, for building a new body."""
        return {name: msgspec.Raw(span.of(self.raw)) for name, span in self.spans.items()}


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """Reranking options that a request sets explicitly, with a native retriever, `ext.rerank` or a header.

    Attributes:
        text: The query text for the model.
        fields: The fields that the model reads; empty means the rule's fields.
        window: Number of hits that the model reads, and the maximum number of hits returned.
        min_score: Hits with a lower probability are dropped.
        chunks: Whether long documents are scored passage by passage.

    """

    text: str
    fields: tuple[str, ...] = ()
    window: int | None = None
    min_score: float | None = None
    chunks: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """One search as the client sent it.

    Attributes:
        target: The decoded index expression; empty means all indices.
        params: The decoded URL parameters; if one is repeated, the last value.
        body: The search body, without explicit reranking options.
        rerank_request: The explicit reranking options, if any.
        without_reranker: Whether a native reranker was removed from the body.

    """

    target: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: SearchBody = SearchBody()
    rerank_request: RerankRequest | None = None
    without_reranker: bool = False


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """The concrete index names that an index expression resolves to, and the type of each leaf field by field path."""

    names: tuple[str, ...]
    field_types: Mapping[str, str]
