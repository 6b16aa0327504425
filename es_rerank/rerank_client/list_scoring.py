"""Scores windows with a listwise model, which reads all passages of a window together.

The score of a passage depends on the other passages. Therefore a window is scored in one request, and its scores are
not cached.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b

from es_rerank.config.settings import Settings
from es_rerank.model import ScoreRequest
from es_rerank.rerank.prompt import PromptBuilder
from es_rerank.rerank_client.pool import ServerPool
from es_rerank.rerank_client.window import Window
from es_rerank.rerank_client.window_scoring import WindowScorer

# jina-reranker-v3 was trained with lists of at most this length.
_MAX_LIST = 64


class ListScorer(WindowScorer):
    """Scores each window with one request. Concurrent searches with the same query and passages share the request."""

    def __init__(self, settings: Settings, prompts: PromptBuilder, pool: ServerPool) -> None:
        """Score with the servers of *pool*, without a cache."""
        uncached = settings.model_copy(update={"score_cache_size": 0, "shared_cache": None})
        super().__init__(uncached, prompts, pool)

    def context_of(self, window: Window) -> tuple[str, ...]:
        """Return a digest of all documents of the window, on which each score depends."""
        return (blake2b(b"".join(one.digest for one in window.documents)).hexdigest(),)

    def is_slow(self, tokens: Sequence[int], request: ScoreRequest) -> bool:  # noqa: ARG002
        """Return False, because a slow model cannot score a list in steps."""
        return False

    def batched(self, tokens: Sequence[int], max_texts: int) -> Iterable[slice]:  # noqa: ARG002
        """Return all passages as one request, whatever their number and length."""
        return [slice(None)] if tokens else []

    def readable(self, tokens: Sequence[int], request: ScoreRequest, queued: int) -> int:
        """Return the number of documents to score: all documents, up to 64, or 0 if there is not enough time."""
        return super().readable(tokens[:_MAX_LIST], replace(request, whole=True), queued)
