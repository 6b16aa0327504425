"""Values of Prometheus metrics: of vLLM, and of an endpoint."""

from __future__ import annotations

import re
import time

from es_rerank_lab.parts.vllm import ModelServer

from .endpoint import Endpoint
from .wire import ask


def total(text: str, name: str) -> float:
    """Return the sum of a metric over all labels."""
    return sum(map(float, re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)))


def texts_read(server: ModelServer) -> int:
    """Return how many texts vLLM has read since it was started."""
    return int(total(ask(server.url, "GET", "/metrics").body.decode(), "vllm:request_success_total"))


def tokens_read(server: ModelServer) -> int:
    """Return how many tokens vLLM has read since it was started."""
    return int(total(ask(server.url, "GET", "/metrics").body.decode(), "vllm:prompt_tokens_total"))


def await_vectors(endpoint: Endpoint, limit_s: float = 300.0) -> float:
    """Wait until the endpoint waits for no vector; return the memory of its cached vectors, in bytes."""
    deadline = time.monotonic() + limit_s
    while total(text := endpoint.page("GET", "/metrics").body.decode(), "es_rerank_texts_in_flight"):
        assert time.monotonic() < deadline, f"vectors are still being computed after {limit_s} s"
        time.sleep(0.1)
    return total(text, "es_rerank_vector_cache_bytes")
