"""Infinity: the same format as Cohere's API, with an option to return logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from es_rerank.rerank.backends.answer import RerankCall, member, scores


def encode(call: RerankCall) -> Mapping[str, Any]:
    """Return the body of a `/rerank` request, with the option for logits."""
    return {"model": call.model, "query": call.query, "documents": list(call.texts), "raw_scores": True}


def decode(body: Any, count: int) -> list[float]:
    """Return the scores in `{"results": [{"index", "relevance_score"}]}`."""
    return scores(member(body, "results"), count, "relevance_score")
