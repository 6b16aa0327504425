"""Backends: the wire dialects of rerank servers. One row each; adding one touches nothing else.

All dialects follow the same rules: send the query and the texts, never `top_n`; read only index and score; demand one
finite score for each text; leave the order to the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from es_rerank.rerank.backends import cohere, infinity, tei, vllm
from es_rerank.rerank.backends.answer import BadAnswerError, RerankCall

__all__ = ["BACKENDS", "Backend", "BadAnswerError", "RerankCall"]


@dataclass(frozen=True, slots=True)
class Backend:
    """One dialect.

    Attributes:
        path: Appended to the URL of the server.
        encode: Writes the body of a request.
        decode: Reads the decoded body of a response into one score for each of so many texts, in the order sent;
            raises BadAnswerError.
        raw: Whether the scores of a cross-encoder are logits, not probabilities.
        max_batch: How many texts one request may have.
        local: Whether no server is needed.

    """

    path: str
    encode: Callable[[RerankCall], Mapping[str, Any]]
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
    # Keeps the engine's order: all scores are equal, and ties keep their order.
    "identity": Backend("", lambda _: {}, lambda _, count: [0.5] * count, raw=False, max_batch=2**31, local=True),
}
