"""vLLM: `/score` does not repeat the texts in its response and is the leaner call, `/rerank` the better known one.

Both are asked for logits (`use_activation: false`): probabilities in bfloat16 saturate and tie at 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from es_rerank.rerank.backends.answer import RerankCall, member, scores


def encode_score(call: RerankCall) -> Mapping[str, Any]:
    """Write the body of a `/score` request: one query against many documents."""
    return {"text_1": call.query, "text_2": list(call.texts), **_options(call)}


def decode_score(body: Any, count: int) -> list[float]:
    """Read `{"data": [{"index", "score"}]}`."""
    return scores(member(body, "data"), count, "score")


def encode_rerank(call: RerankCall) -> Mapping[str, Any]:
    """Write the body of a `/rerank` request."""
    return {"query": call.query, "documents": list(call.texts), **_options(call)}


def decode_rerank(body: Any, count: int) -> list[float]:
    """Read `{"results": [{"index", "relevance_score"}]}`."""
    return scores(member(body, "results"), count, "relevance_score")


def _options(call: RerankCall) -> dict[str, Any]:
    """Return the model, the request for logits, and the instruction for the chat template."""
    instruction = {"instruction": call.instruction} if call.instruction else {}
    return {"model": call.model, "use_activation": False, **instruction}
