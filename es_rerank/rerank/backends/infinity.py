"""Infinity: Cohere-like, with logits on request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from es_rerank.rerank.backends.answer import Question, member, scores


def encode(question: Question) -> Mapping[str, Any]:
    """Write a `/rerank` request for logits."""
    return {"model": question.model, "query": question.query, "documents": list(question.texts), "raw_scores": True}


def decode(body: Any, count: int) -> list[float]:
    """Read `{"results": [{"index", "relevance_score"}]}`."""
    return scores(member(body, "results"), count, "relevance_score")
