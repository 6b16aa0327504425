"""Balances requests over the rerank servers: earliest deadline first, with a limit per server, rejecting late ones."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from es_rerank.model import Failed, Why
from es_rerank.rerank.backends import RerankCall
from es_rerank.rerank_client.server import RerankServer
from es_rerank.rerank_client.server_health import NOT_TESTED, TRUSTED_STATES

# Fraction of the remaining time for a request to a server whose last request failed, to leave time for a retry on
# another server.
_PROBE_SHARE = 0.25


class _Request(NamedTuple):
    """A call with its approximate number of tokens; see `ServerPool.ask` for the other fields."""

    call: RerankCall
    tokens: int
    deadline: float
    patience: float


class QueueEstimate(NamedTuple):
    """The expected queueing time and throughput for a new search.

    Attributes:
        wait: Seconds until all queued requests and requests in flight are answered.
        rate: Total tokens per second of all servers; infinite if a server is idle or its rate is unknown.

    """

    wait: float
    rate: float

    def capacity(self, seconds: float) -> float:
        """Return how many tokens can be scored within *seconds* from now."""
        return max(0.0, seconds - self.wait) * self.rate if math.isfinite(self.rate) else math.inf


_NO_QUEUE = QueueEstimate(0.0, math.inf)


@dataclass(order=True, slots=True)
class _QueuedRequest:
    """A request that waits for a server other than those in *tried*. `deadline` is in monotonic seconds."""

    deadline: float
    number: int
    tokens: int = field(compare=False)
    tried: Sequence[RerankServer] = field(compare=False)
    assigned: asyncio.Future[RerankServer | Failed] = field(compare=False)


class ServerPool:
    """The rerank servers, which all serve the same model, and the queue of requests."""

    def __init__(self, servers: Sequence[RerankServer]) -> None:
        """Balance requests over *servers*."""
        self.servers = servers
        self._queue: list[_QueuedRequest] = []
        self._numbers = count()

    def __repr__(self) -> str:
        states = Counter(str(server.health.state) for server in self.servers)
        listed = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
        return f"<ServerPool {len(self.servers)} servers: {listed}; {len(self._waiting())} requests queued>"

    @property
    def max_batch(self) -> int:
        """Maximum number of texts per request that all servers accept."""
        return min(server.max_batch for server in self.servers)

    def failure(self) -> Failed | None:
        """Return why no server's scores may be used, or None if at least one server is trusted."""
        return None if any(server.health.state in TRUSTED_STATES for server in self.servers) else self._refusal()

    def queue_estimate(self) -> QueueEstimate:
        """Estimate the queueing time from the tokens queued and in flight. It is 0 while a server's rate is unknown."""
        now = time.monotonic()
        total_rate, tokens = 0.0, 0
        for server in self.servers:
            if not server.usable(now):
                continue
            rate = server.throughput.rate if server.throughput.requests else None
            if not rate:
                return _NO_QUEUE
            total_rate += rate
            tokens += server.throughput.tokens
        if not total_rate:
            return _NO_QUEUE
        tokens += sum(queued.tokens for queued in self._waiting())
        return QueueEstimate(tokens / total_rate, total_rate)

    def drop_late(self) -> bool:
        """Fail the queued requests that would miss their deadlines, and return whether there were any."""
        rate, now = self.queue_estimate().rate, time.monotonic()
        ahead = sum(server.throughput.tokens for server in self.servers)
        late = []
        for queued in sorted(self._waiting()):
            if now + (ahead + queued.tokens) / rate > queued.deadline:
                late.append(queued)
            else:
                ahead += queued.tokens
        for queued in late:
            queued.assigned.set_result(Failed(Why.DEADLINE))
        return bool(late)

    async def ask(self, call: RerankCall, tokens: int, deadline: float, patience: float = 0.0) -> list[float] | Failed:
        """Request raw scores. If a server fails, the request is retried on another server in the remaining time.

        Args:
            call: The query and the texts.
            tokens: Approximate number of tokens of the call.
            deadline: Deadline for the answer, in monotonic seconds.
            patience: A timeout after less than this many seconds does not count as a server failure.

        Returns:
            One score per text, in the order of the texts, or the failure.

        """
        request = _Request(call, tokens, deadline, patience)
        tried: list[RerankServer] = []
        answer: list[float] | Failed = Failed(Why.DEADLINE)
        while len(tried) < len(self.servers) and time.monotonic() < deadline:
            server = await self._acquire(request, tried)
            if isinstance(server, Failed):
                return answer if tried else server
            answer = await self._send(server, request)
            if not isinstance(answer, Failed) or answer.why is Why.TOO_LONG:
                return answer
            tried.append(server)
        return answer

    async def _send(self, server: RerankServer, request: _Request) -> list[float] | Failed:
        """Send a request to a server on which a slot is reserved, then release the slot."""
        sent_at = time.monotonic()
        deadline, patience = request.deadline, request.patience
        if server.health.fault is not None and len(self.servers) > 1:
            deadline, patience = sent_at + (deadline - sent_at) * _PROBE_SHARE, patience * _PROBE_SHARE
        # Requests that were canceled or whose timeout was too short are excluded from the throughput estimate.
        answered = measured = False
        try:
            answer = await server.ask(request.call, deadline, patience)
            answered = not isinstance(answer, Failed)
            measured = answered or deadline - sent_at >= patience
        finally:
            if measured:
                server.throughput.ended(time.monotonic(), request.tokens, sent_at, answered=answered)
            else:
                server.throughput.dropped(request.tokens)
            self._dispatch()
        return answer

    async def _acquire(self, request: _Request, tried: Sequence[RerankServer]) -> RerankServer | Failed:
        """Reserve a slot on a server that has not been tried, and wait until one is free if necessary."""
        assigned: asyncio.Future[RerankServer | Failed] = asyncio.get_running_loop().create_future()
        queued = _QueuedRequest(request.deadline, next(self._numbers), request.tokens, tried, assigned)
        if not self._queue and (chosen := self._choose(queued, time.monotonic(), ())) is not None:
            return chosen
        heappush(self._queue, queued)
        self._dispatch()
        try:
            async with asyncio.timeout(request.deadline - time.monotonic()):
                return await assigned
        except (TimeoutError, asyncio.CancelledError) as end:
            # If a server was assigned at the same moment, its slot must be released.
            if assigned.done() and not assigned.cancelled() and isinstance(server := assigned.result(), RerankServer):
                server.release(request.tokens)
                self._dispatch()
            if isinstance(end, TimeoutError):
                return Failed(Why.DEADLINE)
            raise

    def _dispatch(self) -> None:
        """Assign free slots to queued requests, earliest deadline first."""
        now = time.monotonic()
        # A retry, which cannot use every server, must not block the requests behind it in the queue.
        passed_over: list[_QueuedRequest] = []
        while self._queue:
            queued = self._queue[0]
            if not queued.assigned.done():
                reserved = [server for one in passed_over for server in self._usable(one, now)]
                server = self._choose(queued, now, reserved)
                if server is not None:
                    queued.assigned.set_result(server)
                elif queued.tried:
                    passed_over.append(queued)
                else:
                    break
            heappop(self._queue)
        for queued in passed_over:
            heappush(self._queue, queued)

    def _usable(self, queued: _QueuedRequest, now: float) -> list[RerankServer]:
        """Return the servers that a request may be sent to at *now*."""
        return [server for server in self.servers if server not in queued.tried and server.usable(now)]

    def _choose(
        self, queued: _QueuedRequest, now: float, reserved: Sequence[RerankServer]
    ) -> RerankServer | Failed | None:
        """Reserve a slot on the server expected to answer first. Return None if all are busy or in *reserved*."""
        usable = self._usable(queued, now)
        if not usable:
            return self._refusal()
        free = [server for server in usable if server not in reserved]
        idle = next((server for server in free if not server.throughput.requests), None)
        server = idle or self._fastest(free, queued.tokens)
        if server is None:
            return None
        wait = 0.0 if idle else server.throughput.seconds_for(queued.tokens)
        if now + wait > queued.deadline:
            return Failed(Why.DEADLINE)
        server.reserve(now, queued.tokens)
        return server

    def _fastest(self, servers: Sequence[RerankServer], tokens: int) -> RerankServer | None:
        """Return the server expected to answer a request of *tokens* first, or None if all are at their limits."""
        # A server of unknown rate is assumed to be as fast as the fastest server.
        best = max((rate for server in self.servers if (rate := server.throughput.rate)), default=None)
        return min(
            (server for server in servers if server.has_room(tokens)),
            key=lambda server: (server.throughput.seconds_for(tokens, best), server.throughput.tokens),
            default=None,
        )

    def _refusal(self) -> Failed:
        """Return the reason why no server may be used."""
        mismatch = next((server.health.mismatch for server in self.servers if server.health.mismatch), None)
        fault = next((server.health.fault for server in self.servers if server.health.fault), None)
        if mismatch or not fault:
            untested = any(server.health.state not in TRUSTED_STATES for server in self.servers)
            return Failed(Why.SELF_TEST, mismatch or NOT_TESTED) if untested else Failed(Why.BREAKER)
        return fault

    def _waiting(self) -> list[_QueuedRequest]:
        """Return the queued requests that have neither been assigned to a server nor failed."""
        return [queued for queued in self._queue if not queued.assigned.done()]
