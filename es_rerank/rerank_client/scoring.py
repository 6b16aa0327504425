"""Chooses the class that scores windows: pair by pair, as lists, or from vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from es_rerank.config.settings import Settings
from es_rerank.rerank.backends import BACKENDS, Backend, scores_vectors
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder
from es_rerank.rerank_client.list_scoring import ListScorer
from es_rerank.rerank_client.pool import ServerPool
from es_rerank.rerank_client.window_scoring import WindowScorer

if TYPE_CHECKING:
    from es_rerank.rerank_client.vector_scoring import VectorScorer

MakeScorer = Callable[[Settings, PromptBuilder, ServerPool], "WindowScorer | VectorScorer"]


def scoring(settings: Settings) -> tuple[Backend, MakeScorer]:
    """Return the API of the rerank servers, and the class that scores windows, for the backend and the profile."""
    if PROFILES[settings.profile].listwise:
        return BACKENDS[settings.backend], ListScorer
    if not scores_vectors(settings.backend, settings.profile):
        return BACKENDS[settings.backend], WindowScorer
    # Imported here, because this module imports numpy, which other models do not need.
    from es_rerank.rerank_client.vector_scoring import VectorScorer, scoring_backend  # noqa: PLC0415

    return scoring_backend(settings), VectorScorer
