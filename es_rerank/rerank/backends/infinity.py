"""Infinity: as Cohere, but with logits on request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from es_rerank.rerank.backends.answer import RerankCall, member, scores


def encode(call: RerankCall) -> Mapping[str, Any]:
    """Write the body of a `/rerank` request for logits."""
    return {"model": call.model, "query": call.query, "documents": list(call.texts), "raw_scores": True}


def decode(body: Any, count: int) -> list[float]:
    """Read `{"results": [{"index", "relevance_score"}]}`."""
    return scores(member(body, "results"), count, "relevance_score")
