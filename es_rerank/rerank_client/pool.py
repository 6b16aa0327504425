"""Distributes requests over the rerank servers, by deadline and within their limits. Rejects late requests."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any

from es_rerank.model import Failed, Why
from es_rerank.net.tracing import TRACING
from es_rerank.rerank.backends import RerankCall
from es_rerank.rerank_client.queued import NO_QUEUE, QueuedRequest, QueueEstimate, Request
from es_rerank.rerank_client.server import RerankServer
from es_rerank.rerank_client.server_choice import fastest, refusal
from es_rerank.rerank_client.server_health import TRUSTED_STATES
from es_rerank.rerank_client.usage import Waits

# Share of the remaining time that a server whose last request failed may use. The rest is for a second server.
_PROBE_SHARE = 0.25


class ServerPool:
    """The rerank servers, which all serve the same model, and the queue of requests to them."""

    def __init__(self, servers: Sequence[RerankServer] = ()) -> None:
        """Distribute requests over *servers*."""
        self.servers = list(servers)
        self._leaving: dict[RerankServer, asyncio.Event] = {}
        self._queue: list[QueuedRequest] = []
        self._numbers = count()
        self.waits = Waits()

    def __repr__(self) -> str:
        states = Counter(str(server.health.state) for server in self.servers)
        listed = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
        return f"<ServerPool {len(self.servers)} servers: {listed}; {len(self._waiting())} requests queued>"

    @property
    def max_batch(self) -> int:
        """Maximum number of texts per request that all servers accept."""
        return min((server.max_batch for server in self.servers), default=1)

    def failure(self) -> Failed | None:
        """Return why no server's scores may be used, or None if at least one server is trusted."""
        return None if any(server.health.state in TRUSTED_STATES for server in self.servers) else refusal(self.servers)

    def add(self, server: RerankServer) -> None:
        """Add a server. It gets requests as soon as it is trusted."""
        self.servers.append(server)
        self._dispatch()

    def remove(self, server: RerankServer) -> asyncio.Event:
        """Stop sending requests to a server. Return an event that is set when its requests in flight have ended."""
        self.servers.remove(server)
        drained = self._leaving[server] = asyncio.Event()
        self._dispatch()
        return drained

    @property
    def max_tokens(self) -> int:
        """Maximum number of tokens in flight at one server that all servers accept."""
        return min((server.max_tokens for server in self.servers), default=1)

    def queue_estimate(self, deadline: float = math.inf) -> QueueEstimate:
        """Estimate the waiting time of new requests, which is 0 while a usable server is idle or its rate is unknown.

        Args:
            deadline: The deadline of the new requests, as a value of `time.monotonic()`. Queued requests with later
                deadlines are sent after the new requests, so they are not counted.

        """
        now = time.monotonic()
        total_rate, tokens = 0.0, 0
        for server in self.servers:
            if not server.usable(now):
                continue
            rate = server.throughput.rate if server.throughput.requests else None
            if not rate:
                return NO_QUEUE
            total_rate += rate
            tokens += server.throughput.tokens
        if not total_rate:
            return NO_QUEUE
        tokens += sum(queued.tokens for queued in self._waiting() if queued.deadline <= deadline)
        return QueueEstimate(tokens / total_rate, total_rate)

    def idle_rate(self) -> float | None:
        """Return how many tokens per second all usable servers process in total; None if no server's rate is known."""
        now = time.monotonic()
        rates = [server.throughput.likely_rate for server in self.servers if server.usable(now)]
        return sum(rate for rate in rates if rate) or None

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

    async def ask(
        self, call: RerankCall, tokens: int, deadline: float, patience: float = 0.0, seconds: float = math.inf
    ) -> list[Any] | Failed:
        """Request raw scores or vectors. If a server fails, the request is sent to another one in the remaining time.

        If the only server returns a status 5xx, one retry is sent to it: it may be a router with a failed replica.

        Args:
            call: The query and the texts.
            tokens: Approximate number of tokens of the call. A very small call passes 0: it does not count towards the
                measured throughput of a server and its number of tokens in flight.
            deadline: Deadline for the answer, as a value of `time.monotonic()`.
            patience: A timeout after less than this many seconds does not count as a server failure.
            seconds: Maximum time from sending the call to a server until its answer.

        Returns:
            One value per text, in the order of the texts, or the failure.

        """
        request = Request(call, tokens, deadline, patience, seconds)
        tried: list[RerankServer] = []
        failure: Failed | None = None
        # If there are no servers, the loop still runs once, to get the reason for the failure.
        while (not tried or set(self.servers) - set(tried)) and time.monotonic() < deadline:
            started = time.monotonic()
            with TRACING.span("wait for server"):
                server = await self._acquire(request, tried)
            self.waits.add(time.monotonic() - started)
            if isinstance(server, Failed):
                return failure or server
            answer = await self._send(server, request)
            if not isinstance(answer, Failed) or answer.why is Why.TOO_LONG:
                return answer
            if failure or answer.why is not Why.RERANKER_ERROR or len(self.servers) > 1:
                tried.append(server)
            failure = answer
        return failure or Failed(Why.DEADLINE)

    async def model_root(self) -> str | None:
        """Return the folder or name from which a server loaded the model; None if no server reports this."""
        for server in self.servers:
            if root := await server.model_root():
                return root
        return None

    async def probe(self, server: RerankServer) -> None:
        """Check with a known pair whether a failed server answers again, and send it queued requests if it does."""
        try:
            await server.probe()
        finally:
            self._dispatch()

    async def _send(self, server: RerankServer, request: Request) -> list[Any] | Failed:
        """Send a request to a server on which a slot is reserved, then release the slot."""
        sent_at = time.monotonic()
        deadline, patience = min(request.deadline, sent_at + request.seconds), request.patience
        if server.health.fault is not None and len(self.servers) > 1:
            deadline, patience = sent_at + (deadline - sent_at) * _PROBE_SHARE, patience * _PROBE_SHARE
        # Requests that were canceled or whose timeout was too short are excluded from the throughput estimate.
        answered = measured = False
        answer: list[Any] | Failed | None = None
        try:
            attributes = {"server.address": server.url, "es_rerank.passages": len(request.call.texts)}
            with TRACING.span("model", attributes, "CLIENT"):
                answer = await server.ask(request.call, deadline, patience)
            answered = not isinstance(answer, Failed)
            measured = bool(request.tokens) and (answered or deadline - sent_at >= patience)
        finally:
            server.usage.add(request.call, request.tokens, answer)
            if measured:
                server.throughput.ended(time.monotonic(), request.tokens, sent_at, answered=answered)
            else:
                server.throughput.dropped(request.tokens)
            self._dispatch()
        return answer

    async def _acquire(self, request: Request, tried: Sequence[RerankServer]) -> RerankServer | Failed:
        """Return a server not in *tried* on which a slot is reserved for the request. Wait until a slot is free."""
        assigned: asyncio.Future[RerankServer | Failed] = asyncio.get_running_loop().create_future()
        queued = QueuedRequest(request.deadline, next(self._numbers), request.tokens, tried, assigned)
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
        passed_over: list[QueuedRequest] = []
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
        for server in [one for one in self._leaving if not one.throughput.requests]:
            self._leaving.pop(server).set()

    def _usable(self, queued: QueuedRequest, now: float) -> list[RerankServer]:
        """Return the servers that a request may be sent to at *now*."""
        return [server for server in self.servers if server not in queued.tried and server.usable(now)]

    def _choose(
        self, queued: QueuedRequest, now: float, reserved: Sequence[RerankServer]
    ) -> RerankServer | Failed | None:
        """Reserve a slot on the server expected to answer first; None if all servers are busy or in *reserved*."""
        usable = self._usable(queued, now)
        if not usable:
            return refusal(self.servers)
        free = [server for server in usable if server not in reserved]
        server = fastest(free, queued, self.servers, now)
        if server is None or isinstance(server, Failed):
            return server
        server.reserve(now, queued.tokens)
        return server

    def _waiting(self) -> list[QueuedRequest]:
        """Return the queued requests that have neither been assigned to a server nor failed."""
        return [queued for queued in self._queue if not queued.assigned.done()]
