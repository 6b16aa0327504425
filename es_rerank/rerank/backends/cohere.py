"""Cohere- and Jina-shaped servers: probabilities under `results`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from es_rerank.rerank.backends.answer import Question, member, scores


def encode(question: Question) -> Mapping[str, Any]:
    """Write a rerank request."""
    return {"model": question.model, "query": question.query, "documents": list(question.texts)}


def decode(body: Any, count: int) -> list[float]:
    """Read `{"results": [{"index", "relevance_score"}]}`; whatever else stands in a row does not matter."""
    return scores(member(body, "results"), count, "relevance_score")
