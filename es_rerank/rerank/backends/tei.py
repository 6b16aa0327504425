"""Text Embeddings Inference: a bare array comes back; equal scores in reverse order, so order is never read from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from es_rerank.rerank.backends.answer import Question, scores


def encode(question: Question) -> Mapping[str, Any]:
    """Write a `/rerank` request for logits; what is too long is cut by the server instead of refused."""
    return {"query": question.query, "texts": list(question.texts), "raw_scores": True, "truncate": True}


def decode(body: Any, count: int) -> list[float]:
    """Read `[{"index", "score"}]`."""
    return scores(body, count, "score")
