"""The rerank API of Cohere (version 2) and Jina AI, which returns probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from es_rerank.rerank.backends.answer import RerankCall, member, scores


def encode(call: RerankCall) -> Mapping[str, Any]:
    """Return the body of a rerank request."""
    return {"model": call.model, "query": call.query, "documents": list(call.texts)}


def decode(body: Any, count: int) -> list[float]:
    """Return the scores in `{"results": [{"index", "relevance_score"}]}`. Other members of a result are ignored."""
    return scores(member(body, "results"), count, "relevance_score")
