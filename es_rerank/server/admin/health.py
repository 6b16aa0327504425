"""Answers the health checks of load balancers and Kubernetes: liveness, and readiness of engine and reranker."""

from __future__ import annotations

import re
from http import HTTPStatus

from aiohttp import web

from es_rerank.reasons import ENGINE_UNREACHABLE, REASONS
from es_rerank.server.admin.access import is_foreign_host
from es_rerank.server.listen.admin_access import AdminAccess, admin_access
from es_rerank.server.state import State

# Separates the faults of several rerank servers, and the name of a fault from its detail.
_FAULT_SEPARATOR = re.compile("; |: ")


async def live(_state: State, _request: web.Request) -> web.StreamResponse:
    """Return 200 while the process responds."""
    return web.json_response({"status": "live"})


async def ready(state: State, request: web.Request) -> web.StreamResponse:
    """Return the state of the engine and of the reranker.

    The status is 503 if the engine cannot be reached. It is 200 if only the reranker fails, because searches are then
    answered in the engine's order. The response has the reason, its meaning and what to do, but only at an address
    where all callers have access to the admin pages.
    """
    if state.life.draining:
        return web.json_response({"status": "draining"}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    problem, health = await state.reachability.problem(), state.reranker.health
    states = {
        "status": "unavailable" if problem else str(health.state),
        "engine": "unreachable" if problem else "ok",
        "reranker": str(health.state),
    }
    public = admin_access(request) is AdminAccess.ALL and not is_foreign_host(request, state.settings)
    explanation = _explanation(problem, health.why) if public else {}
    status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
    return web.json_response(states | explanation, status=status)


def _explanation(problem: str, why: str) -> dict[str, str]:
    """Return the faults of the engine and the rerank servers, what they mean, and what to do; empty without faults.

    Args:
        problem: The reason why the engine cannot be reached; empty if it can be reached.
        why: The faults of rerank servers, such as `unreachable: connection refused`; empty without faults.

    """
    names = _FAULT_SEPARATOR.split(why)
    reasons = [reason for name, reason in REASONS.items() if name in names]
    if problem:
        reasons.insert(0, ENGINE_UNREACHABLE)
    if not problem and not why:
        return {}
    return {
        "why": "; ".join(part for part in (problem, why) if part),
        "means": " ".join(reason.means for reason in reasons),
        "do": " ".join(reason.do for reason in reasons),
    }
