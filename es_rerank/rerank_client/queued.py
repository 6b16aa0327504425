"""Requests that wait for a rerank server, and the estimate of how long a new request will wait."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from es_rerank.model import Failed
from es_rerank.rerank.backends import RerankCall
from es_rerank.rerank_client.server import RerankServer


class Request(NamedTuple):
    """A request to a rerank server. `ServerPool.ask` describes the fields."""

    call: RerankCall
    tokens: int
    deadline: float
    patience: float
    seconds: float


@dataclass(order=True, slots=True)
class QueuedRequest:
    """A request that waits for a server. Requests are sorted by their deadlines.

    Attributes:
        deadline: Deadline for the answer, as a value of `time.monotonic()`.
        number: Increases with each request, so that requests with equal deadlines stay in order.
        tokens: Approximate number of tokens.
        tried: The servers that have failed to answer the request. It is not sent to them again.
        assigned: Resolves to the server that the request is sent to, or to the failure.

    """

    deadline: float
    number: int
    tokens: int = field(compare=False)
    tried: Sequence[RerankServer] = field(compare=False)
    assigned: asyncio.Future[RerankServer | Failed] = field(compare=False)


class QueueEstimate(NamedTuple):
    """The expected waiting time and throughput for a new search.

    Attributes:
        wait: Seconds until all queued requests and requests in flight are answered.
        rate: Total tokens per second of all servers; infinite if a server is idle or its rate is unknown.

    """

    wait: float
    rate: float

    def capacity(self, seconds: float) -> float:
        """Return how many tokens can be scored within *seconds* from now."""
        return max(0.0, seconds - self.wait) * self.rate if math.isfinite(self.rate) else math.inf


NO_QUEUE = QueueEstimate(0.0, math.inf)
"""The estimate if no request waits and no throughput is known."""
