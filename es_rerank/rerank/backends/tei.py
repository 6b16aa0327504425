"""Text Embeddings Inference: the response is an array, ordered by score with ties reversed; only the index counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from es_rerank.rerank.backends.answer import RerankCall, scores


def encode(call: RerankCall) -> Mapping[str, Any]:
    """Write the body of a `/rerank` request for logits; the server truncates long texts instead of refusing them."""
    return {"query": call.query, "texts": list(call.texts), "raw_scores": True, "truncate": True}


def decode(body: Any, count: int) -> list[float]:
    """Read `[{"index", "score"}]`."""
    return scores(body, count, "score")
