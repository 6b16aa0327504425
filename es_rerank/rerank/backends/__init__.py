"""Backends: the wire dialects of rerank servers. One row each; adding one touches nothing else.

All dialects share one discipline: send query and texts, never `top_n`; read index and score only; demand one finite
score for each text; order is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from es_rerank.rerank.backends import cohere, infinity, tei, vllm
from es_rerank.rerank.backends.answer import BadAnswerError, Question

__all__ = ["BACKENDS", "Backend", "BadAnswerError", "Question"]


@dataclass(frozen=True, slots=True)
class Backend:
    """One dialect.

    `path` is appended to the server's URL. `encode` writes the request, `decode` reads the answer's JSON into one
    score a text, in the order sent; it raises BadAnswerError. `raw` tells that a cross-encoder's scores are logits,
    not probabilities. `max_batch` is how many texts one request may carry. `local` needs no server.
    """

    path: str
    encode: Callable[[Question], Mapping[str, Any]]
    decode: Callable[[Any, int], list[float]]
    raw: bool
    max_batch: int
    local: bool = False


BACKENDS: Mapping[str, Backend] = {
    "vllm": Backend("/score", vllm.encode_score, vllm.decode_score, raw=True, max_batch=256),
    "vllm-rerank": Backend("/rerank", vllm.encode_rerank, vllm.decode_rerank, raw=True, max_batch=256),
    "tei": Backend("/rerank", tei.encode, tei.decode, raw=True, max_batch=32),
    "infinity": Backend("/rerank", infinity.encode, infinity.decode, raw=True, max_batch=256),
    "cohere": Backend("/v2/rerank", cohere.encode, cohere.decode, raw=False, max_batch=500),
    "jina": Backend("/v1/rerank", cohere.encode, cohere.decode, raw=False, max_batch=500),
    # The engine's own order: every text is as good as every other, and ties keep the engine's order.
    "identity": Backend("", lambda _: {}, lambda _, count: [0.5] * count, raw=False, max_batch=2**31, local=True),
}
