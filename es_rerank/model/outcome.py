"""The outcome of a search: reranked, skipped, failed or only measured (shadow mode), with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from es_rerank.model.plan import Plan
from es_rerank.model.scores import Failed, Scored
from es_rerank.model.why import Why


class OutcomeState(StrEnum):
    """The possible outcomes of a search. The metric label `outcome` and the header `X-Rerank` use these names."""

    RERANKED = "reranked"
    SKIPPED = "skipped"
    FAILED = "failed"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Skip:
    """The decision not to rerank a search.

    Attributes:
        why: The reason.
        shadow: In shadow mode, the plan for measuring the effect of reranking after the response has been sent.
        rule: Name of the search's rule; empty if none was chosen.

    """

    why: Why
    shadow: Plan | None = None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one search.

    Attributes:
        state: Whether the search was reranked, skipped or only measured (shadow mode), or scoring failed.
        why: The reason; None if the search was reranked.
        window: Number of hits that the model scored.
        of: Number of hits in the planned window. `window` can be smaller under load or at the deadline.
        cached: Number of scored hits whose scores, or whose vectors, came from the cache.
        model: Name of the model.
        fields: Fields that the model read, in order.
        rule: Name of the rule; empty if none was chosen.
        rank_change: Mean difference between the new rank and the engine's rank of the first ten hits; None if the
            search was not reranked.
        detail: The rerank server's error message, for the log and for the error response of strict rules.

    """

    state: OutcomeState
    why: Why | None = None
    window: int = 0
    of: int = 0
    cached: int = 0
    model: str = ""
    detail: str = ""
    fields: tuple[str, ...] = ()
    rule: str = ""
    rank_change: float | None = None


def skipped(why: Why, rule: str = "") -> Outcome:
    """Return the outcome of a search that was not reranked. If the reason is shadow mode, its state is `shadow`."""
    return Outcome(OutcomeState.SHADOW if why is Why.SHADOW else OutcomeState.SKIPPED, why, rule=rule)


def reranked(scored: Scored, of: int, fields: tuple[str, ...], rule: str, rank_change: float | None) -> Outcome:
    """Return the outcome of a search that was reranked; see `Outcome` for the arguments."""
    window = of if scored.window is None else scored.window
    return Outcome(
        OutcomeState.RERANKED,
        window=window,
        of=of,
        cached=scored.cached,
        model=scored.model,
        fields=fields,
        rule=rule,
        rank_change=rank_change,
    )


def failed(failure: Failed, rule: str = "") -> Outcome:
    """Return the outcome of a search that keeps the engine's order because scoring failed."""
    return Outcome(OutcomeState.FAILED, failure.why, detail=failure.detail, rule=rule)
