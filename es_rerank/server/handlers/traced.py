"""Records the steps of a search as spans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from es_rerank.model import EngineReply, Failed, FetchPhase, Plan, Scored, ScoreRequest, Skip
from es_rerank.net.tracing import TRACING
from es_rerank.pipeline import joined_result, page_result
from es_rerank.search.compute import Compute
from es_rerank.search.window import read_window

Fetch = Callable[[Plan], Awaitable[EngineReply | Skip]]
Score = Callable[[ScoreRequest], Awaitable[Scored | Failed]]

_PHASES: Mapping[FetchPhase, str] = {
    FetchPhase.WINDOW: "query and fetch phase",
    FetchPhase.QUERY: "query phase",
    FetchPhase.FETCH: "fetch phase",
}
_STEPS: Mapping[Callable[..., Any], str] = {
    read_window: "passages",
    page_result: "rewrite",
    joined_result: "rewrite",
}


def traced_fetch(fetch: Fetch) -> Fetch:
    """Return a function that calls *fetch* and records a span. If no spans are recorded, return *fetch* itself."""
    if not TRACING.is_recording:
        return fetch

    async def traced(plan: Plan) -> EngineReply | Skip:
        with TRACING.span(_PHASES[plan.fetch.phase], kind="CLIENT"):
            return await fetch(plan)

    return traced


def traced_compute(compute: Compute) -> Compute:
    """Return a function that calls *compute* and records a span for each step with a name.

    If no spans are recorded, return *compute* itself.
    """
    if not TRACING.is_recording:
        return compute

    def traced(size: int, function: Callable[..., Any], *arguments: Any) -> Awaitable[Any]:
        name, step = _STEPS.get(function), compute(size, function, *arguments)
        return step if name is None else _in_span(name, step)

    return traced


async def _in_span(name: str, step: Awaitable[Any]) -> Any:
    with TRACING.span(name):
        return await step


def traced_score(score: Score) -> Score:
    """Return a function that calls *score* and records a span. If none are recorded, return *score* itself.

    The attributes have OpenInference's names for rerankers, where it has one.
    """
    if not TRACING.is_recording:
        return score

    async def traced(request: ScoreRequest) -> Scored | Failed:
        attributes = {"openinference.span.kind": "RERANKER", "reranker.top_k": len(request.documents)}
        with TRACING.span("rerank", attributes):
            scored = await score(request)
            if isinstance(scored, Scored):
                TRACING.annotate({"reranker.model_name": scored.model, "es_rerank.cached": scored.cached})
        return scored

    return traced
