"""What happened to a search: reranked, skipped, failed or only measured, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from es_rerank.model.plan import Plan
from es_rerank.model.scores import Failed
from es_rerank.model.why import Why


class OutcomeState(StrEnum):
    """What a search became, as the metric label `outcome` and the header `X-Rerank` name it."""

    RERANKED = "reranked"
    SKIPPED = "skipped"
    FAILED = "failed"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Skip:
    """A search that is not reranked, with the reason; `shadow` is the plan to measure after the response."""

    why: Why
    shadow: Plan | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one search.

    Attributes:
        state: Whether it was reranked, skipped, failed or only measured.
        why: The reason; None if it was reranked.
        window: Number of hits that the model scored.
        of: Number of hits in the planned window; `window` is smaller under load.
        cached: Number of scored hits whose scores came from the cache.
        model: Name of the model.
        detail: What the rerank server answered, for the log and for errors of strict rules.

    """

    state: OutcomeState
    why: Why | None = None
    window: int = 0
    of: int = 0
    cached: int = 0
    model: str = ""
    detail: str = ""


def skipped(why: Why) -> Outcome:
    """Return the outcome of a search that was not reranked; `shadow` is a state of its own."""
    return Outcome(OutcomeState.SHADOW if why is Why.SHADOW else OutcomeState.SKIPPED, why)


def failed(failure: Failed) -> Outcome:
    """Return the outcome of a search that keeps the engine's order because the model failed."""
    return Outcome(OutcomeState.FAILED, failure.why, detail=failure.detail)
