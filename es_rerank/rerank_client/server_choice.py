"""Chooses the server for a request, or the reason why no server can be used."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from es_rerank.model import Failed, Why
from es_rerank.rerank_client.queued import QueuedRequest
from es_rerank.rerank_client.server import RerankServer
from es_rerank.rerank_client.server_health import NOT_TESTED, TRUSTED_STATES

NO_SERVERS = "no rerank server has been found"


def fastest(
    candidates: Iterable[RerankServer], queued: QueuedRequest, servers: Iterable[RerankServer], now: float
) -> RerankServer | Failed | None:
    """Return the server that is expected to answer a request first, a random one if several servers are equally fast.

    The random choice matters because many processes may use the same servers. If all of them chose the first of several
    idle servers, it would be overloaded while the others are idle.

    Args:
        candidates: The servers that the request may be sent to.
        queued: The request.
        servers: All servers. A server whose rate is unknown is assumed to be as fast as the fastest of them.
        now: The current value of `time.monotonic()`.

    Returns:
        The server; None if the request must wait for a server; a failure if no server is expected to answer in time.

    """
    best = max((rate for server in servers if (rate := server.throughput.rate)), default=None)
    seconds = {server: server.throughput.seconds_for(queued.tokens, now, best) for server in candidates}
    free = [server for server in seconds if server.has_room(queued.tokens)]
    in_time = [server for server in seconds if now + seconds[server] <= queued.deadline]
    if free and not in_time:
        return Failed(Why.DEADLINE)
    chosen = [server for server in free if server in in_time]
    return min(chosen, key=lambda one: (seconds[one], one.throughput.tokens, random.random()), default=None)  # noqa: S311


def refusal(servers: Sequence[RerankServer]) -> Failed:
    """Return the reason why none of the servers may be used."""
    if not servers:
        return Failed(Why.UNREACHABLE, NO_SERVERS)
    mismatch = next((server.health.mismatch for server in servers if server.health.mismatch), None)
    fault = next((server.health.fault for server in servers if server.health.fault), None)
    if mismatch or not fault:
        untested = any(server.health.state not in TRUSTED_STATES for server in servers)
        return Failed(Why.SELF_TEST, mismatch or NOT_TESTED) if untested else Failed(Why.BREAKER)
    return fault
