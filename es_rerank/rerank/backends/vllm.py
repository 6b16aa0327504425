"""vLLM: `/score` (the default, because its response does not repeat the texts) and `/rerank`.

Requests ask for logits (`use_activation: false`), because bfloat16 probabilities saturate: many scores would be 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from es_rerank.rerank.backends.answer import RerankCall, member, scores


def encode_score(call: RerankCall) -> Mapping[str, Any]:
    """Return the body of a `/score` request with one query and many documents."""
    return {"text_1": call.query, "text_2": list(call.texts), **_options(call)}


def decode_score(body: Any, count: int) -> list[float]:
    """Return the scores in `{"data": [{"index", "score"}]}`."""
    return scores(member(body, "data"), count, "score")


def encode_rerank(call: RerankCall) -> Mapping[str, Any]:
    """Return the body of a `/rerank` request."""
    return {"query": call.query, "documents": list(call.texts), **_options(call)}


def decode_rerank(body: Any, count: int) -> list[float]:
    """Return the scores in `{"results": [{"index", "relevance_score"}]}`."""
    return scores(member(body, "results"), count, "relevance_score")


def _options(call: RerankCall) -> dict[str, Any]:
    """Return the members common to both APIs: model name, logits option, and instruction for the chat template."""
    instruction = {"instruction": call.instruction} if call.instruction else {}
    return {"model": call.model, "use_activation": False, **instruction}
