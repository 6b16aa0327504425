"""Records the steps of a search as spans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from es_rerank.model import EngineReply, Failed, FetchPhase, Plan, Scored, ScoreRequest, Skip
from es_rerank.net.tracing import TRACING
from es_rerank.pipeline import Ports, joined_result, page_result
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


def traced_ports(ports: Ports) -> Ports:
    """Return I/O functions that also record a span for each engine request, and for each step with a name."""

    async def fetch(plan: Plan) -> EngineReply | Skip:
        with TRACING.span(_PHASES[plan.fetch.phase], kind="CLIENT"):
            return await ports.fetch(plan)

    def compute(size: int, function: Callable[..., Any], *arguments: Any) -> Awaitable[Any]:
        name, step = _STEPS.get(function), ports.compute(size, function, *arguments)
        return step if name is None else _in_span(name, step)

    return replace(ports, fetch=fetch, compute=compute)


async def _in_span(name: str, step: Awaitable[Any]) -> Any:
    with TRACING.span(name):
        return await step


def traced_score(score: Score) -> Score:
    """Return a function that calls *score* and records a span.

    The attributes of the span have the names of OpenInference's conventions for rerankers, where such names exist.
    """

    async def traced(request: ScoreRequest) -> Scored | Failed:
        attributes = {"openinference.span.kind": "RERANKER", "reranker.top_k": len(request.documents)}
        with TRACING.span("rerank", attributes):
            scored = await score(request)
            if isinstance(scored, Scored):
                TRACING.annotate({"reranker.model_name": scored.model, "es_rerank.cached": scored.cached})
        return scored

    return traced
