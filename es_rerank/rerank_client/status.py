"""The state of the rerank servers, the queue and the cache, as the status page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from es_rerank.rerank_client.server import RerankServer


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """The state of one rerank server.

    Attributes:
        url: The base URL.
        state: The state of the server's health, such as `healthy`.
        problem: The last failure or the reason of a failed self-test; empty if there is no problem.
        requests: Number of requests in flight.
        tokens: Number of tokens of the requests in flight.
        tokens_per_second: Measured throughput; None while there are too few measurements.
        prefix_hit_rate: Share of all tokens that were in the server's prefix cache; None if the server does not
            report this.

    """

    url: str
    state: str
    problem: str
    requests: int
    tokens: int
    tokens_per_second: float | None
    prefix_hit_rate: float | None = None


@dataclass(frozen=True, slots=True)
class RerankerStatus:
    """The state of the reranker.

    Attributes:
        model: Name of the model.
        state: The readiness, as in the health check: `ok`, `untested` or `degraded`.
        servers: The rerank servers.
        searches: Number of searches that are being scored or are queued.
        queued: Number of queued searches among them.
        max_queued: Maximum number of queued searches.
        cached: Number of cached scores or vectors.
        cached_kind: The kind of cached values: `scores` or `vectors`.
        vector_bytes: Memory of the cached vectors, in bytes.

    """

    model: str
    state: str
    servers: Sequence[ServerStatus]
    searches: int
    queued: int
    max_queued: int
    cached: int
    cached_kind: str
    vector_bytes: int


def server_status(server: RerankServer) -> ServerStatus:
    """Return the state of a server."""
    load, health, report = server.throughput, server.health, server.admission.report
    hit_rate = report.prefix_hit_rate if report else None
    return ServerStatus(server.url, health.state, health.problem, load.requests, load.tokens, load.rate, hit_rate)
