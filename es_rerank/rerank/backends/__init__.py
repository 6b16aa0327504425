"""Backends: the request and response formats of rerank servers. To add a backend, add a row to `BACKENDS`.

All backends follow the same rules: send the query and the texts but never `top_n`, read only the index and the score
of each result, require one finite score per text, and return the scores in the order of the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from es_rerank.rerank.backends import cohere, infinity, tei, vllm
from es_rerank.rerank.backends.answer import BadAnswerError, RerankCall
from es_rerank.rerank.profiles import PROFILES

__all__ = ["BACKENDS", "Backend", "BadAnswerError", "RerankCall", "can_serve", "scores_vectors"]


@dataclass(frozen=True, slots=True)
class Backend:
    """The API of one kind of rerank server.

    Attributes:
        path: URL path of the API, appended to the server's base URL.
        encode: Returns the request body, not yet JSON-encoded, for a call.
        decode: Takes the parsed response body and the number of texts sent, and returns one value per text in the
            order of the texts: a score, or a vector as bytes. Raises BadAnswerError if values are missing or invalid.
        raw: Whether the server returns logits for a cross-encoder. Otherwise it returns probabilities.
        max_batch: Maximum number of texts per request.
        templates: Whether the server applies a chat template, or has the prompt of the model built in. If not, it sends
            the query and the passage to the model unchanged.
        local: Whether scores are computed without a server.
        embeddings_path: URL path of the server's embeddings API. With it, es-rerank computes the scores of bi-encoders
            from vectors. Empty if the server computes them itself.
        has_vectors: Whether `decode` returns vectors. The query is then the first text of a call.
        scores: Takes the values that `decode` returned for a query and its passages, and returns one score per passage,
            in the order of the passages.

    """

    path: str
    encode: Callable[[RerankCall], Mapping[str, Any]]
    decode: Callable[[Any, int], list[Any]]
    raw: bool
    max_batch: int
    templates: bool = True
    local: bool = False
    embeddings_path: str = ""
    has_vectors: bool = False
    scores: Callable[[Sequence[Any]], list[float]] = list


BACKENDS: Mapping[str, Backend] = {
    "vllm": Backend(
        "/score",
        vllm.encode_score,
        vllm.decode_score,
        raw=True,
        max_batch=256,
        embeddings_path="/v1/embeddings",
    ),
    "vllm-rerank": Backend("/rerank", vllm.encode_rerank, vllm.decode_rerank, raw=True, max_batch=256),
    "tei": Backend("/rerank", tei.encode, tei.decode, raw=True, max_batch=32, templates=False),
    "infinity": Backend("/rerank", infinity.encode, infinity.decode, raw=True, max_batch=256, templates=False),
    "cohere": Backend("/v2/rerank", cohere.encode, cohere.decode, raw=False, max_batch=500),
    "jina": Backend("/v1/rerank", cohere.encode, cohere.decode, raw=False, max_batch=500),
    # Keeps the engine's order: all scores are equal, and hits with equal scores keep their order.
    "identity": Backend("", lambda _: {}, lambda _, count: [0.5] * count, raw=False, max_batch=2**31, local=True),
}


def can_serve(backend: str, profile: str) -> bool:
    """Return whether servers with the API *backend* can send the prompt that *profile* requires to the model."""
    row = PROFILES[profile]
    return BACKENDS[backend].templates or not (row.template or row.listwise)


def scores_vectors(backend: str, profile: str) -> bool:
    """Return whether es-rerank computes scores itself, from the vectors of a bi-encoder that *backend* can return."""
    return bool(BACKENDS[backend].embeddings_path) and PROFILES[profile].cosine
