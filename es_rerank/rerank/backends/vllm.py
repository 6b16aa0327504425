"""vLLM: `/score` sends no texts back and is the leaner call; `/rerank` is the widely known one.

Both are asked for raw activations (`use_activation: false`): bf16 probabilities saturate and tie at 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from es_rerank.rerank.backends.answer import Question, member, scores


def encode_score(question: Question) -> Mapping[str, Any]:
    """Write a `/score` request: one query against many documents."""
    return {"text_1": question.query, "text_2": list(question.texts), **_options(question)}


def decode_score(body: Any, count: int) -> list[float]:
    """Read `{"data": [{"index", "score"}]}`."""
    return scores(member(body, "data"), count, "score")


def encode_rerank(question: Question) -> Mapping[str, Any]:
    """Write a `/rerank` request."""
    return {"query": question.query, "documents": list(question.texts), **_options(question)}


def decode_rerank(body: Any, count: int) -> list[float]:
    """Read `{"results": [{"index", "relevance_score"}]}`."""
    return scores(member(body, "results"), count, "relevance_score")


def _options(question: Question) -> dict[str, Any]:
    """Name the model, ask for logits, and give the instruction to the chat template."""
    instruction = {"instruction": question.instruction} if question.instruction else {}
    return {"model": question.model, "use_activation": False, **instruction}
