"""The embeddings API that vLLM shares with OpenAI: one vector per text, for scoring with a bi-encoder.

Vectors are requested as base64 of little-endian float32 values. This is exact, and a third of the size of JSON numbers.
Format: https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from es_rerank.rerank.backends.answer import BadAnswerError, RerankCall, by_index, member

_FLOAT_BYTES = 4


def encode(call: RerankCall) -> Mapping[str, Any]:
    """Return the body of an embeddings request. If the vector of the query is needed, the query is one of the texts."""
    return {"model": call.model, "input": list(call.texts), "encoding_format": "base64"}


def decode(body: Any, count: int) -> list[bytes]:
    """Return the vectors in `{"data": [{"index", "embedding"}]}`, in the order of the texts.

    Returns:
        One vector per text: little-endian float32 values, the same number of them for all texts.

    Raises:
        BadAnswerError: If there is not exactly one such vector per text.

    """
    vectors = by_index(member(body, "data"), count, "embedding", _floats)
    if len({len(vector) for vector in vectors}) > 1:
        raise BadAnswerError("vectors of different lengths")
    return vectors


def _floats(embedding: Any) -> bytes | None:
    """Return the bytes of a base64 string, or None if it is not base64 of one or more float32 values."""
    try:
        decoded = b64decode(embedding, validate=True) if isinstance(embedding, str) else b""
    except (binascii.Error, ValueError):
        return None
    return decoded if decoded and len(decoded) % _FLOAT_BYTES == 0 else None
