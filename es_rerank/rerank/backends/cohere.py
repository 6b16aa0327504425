"""Servers with the rerank API of Cohere (version 2) or Jina AI: probabilities under `results`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from es_rerank.rerank.backends.answer import RerankCall, member, scores


def encode(call: RerankCall) -> Mapping[str, Any]:
    """Write the body of a rerank request."""
    return {"model": call.model, "query": call.query, "documents": list(call.texts)}


def decode(body: Any, count: int) -> list[float]:
    """Read `{"results": [{"index", "relevance_score"}]}`; other members of a row are ignored."""
    return scores(member(body, "results"), count, "relevance_score")
