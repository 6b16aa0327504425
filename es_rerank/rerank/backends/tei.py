"""Text Embeddings Inference (TEI). It returns results sorted by score, so texts are matched by index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from es_rerank.rerank.backends.answer import RerankCall, scores


def encode(call: RerankCall) -> Mapping[str, Any]:
    """Return the body of a `/rerank` request, with options for logits and for the truncation of long texts."""
    return {"query": call.query, "texts": list(call.texts), "raw_scores": True, "truncate": True}


def decode(body: Any, count: int) -> list[float]:
    """Return the scores in `[{"index", "score"}]`."""
    return scores(body, count, "score")
