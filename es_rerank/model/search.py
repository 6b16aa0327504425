"""A search as the client sent it, and what its index expression stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from es_rerank.jsonspan import Span, members


@dataclass(frozen=True, slots=True)
class SearchBody:
    """A search body, decoded once.

    Attributes:
        raw: The bytes that the client sent; empty if the search has no body.
        spans: Where each member is in `raw`.
        values: The decoded members.

    """

    raw: bytes = b""
    spans: Mapping[str, Span] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: bytes) -> SearchBody:
        """Decode a body; an empty one has no members.

        Raises:
            ValueError: It is no JSON object, or repeats a member.
            RecursionError: It is nested too deeply.

        """
        return cls(raw, members(raw), msgspec.json.decode(raw, type=dict[str, Any])) if raw else cls()

    def members(self) -> dict[str, msgspec.Raw]:
        """Return all members as the bytes that the client sent, for a body that is written from them."""
        return {name: msgspec.Raw(span.of(self.raw)) for name, span in self.spans.items()}


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """What a request asks of the reranker explicitly, by a native retriever, `ext.rerank` or a header.

    Attributes:
        text: The query text for the model.
        fields: The fields that the model reads; empty means those of the rule.
        window: Number of hits that the model reads; no more hits than these are returned.
        min_score: Hits with a lower probability are left out.
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
        target: The decoded index expression; empty means every index.
        params: The decoded URL parameters; of a repeated one the last.
        body: The search body, without what was asked of the reranker explicitly.
        rerank_request: What was asked of the reranker explicitly.

    """

    target: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: SearchBody = SearchBody()
    rerank_request: RerankRequest | None = None


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What an index expression resolves to: concrete index names, and the type of each leaf field by its path."""

    names: tuple[str, ...]
    field_types: Mapping[str, str]
