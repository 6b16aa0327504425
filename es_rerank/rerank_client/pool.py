"""Which rerank server is asked, and whose turn it is: bounded work, the nearest deadline first, and nothing in vain."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from es_rerank.model import Failed, Why
from es_rerank.rerank.backends import Question
from es_rerank.rerank.batching import cost
from es_rerank.rerank_client.server import RerankServer
from es_rerank.rerank_client.server_health import NOT_TESTED, TRUSTED_STATES

# A server that failed before gets this share of the time left to answer, as long as there is another one to ask.
_PROBE_SHARE = 0.25


class _Request(NamedTuple):
    """What is asked of the pool: a question of so many tokens, by when it must be answered, and the patience for it."""

    question: Question
    tokens: int
    deadline: float
    patience: float


class QueueEstimate(NamedTuple):
    """What a search must expect that comes now: seconds until its turn, and the tokens done a second by all servers."""

    wait: float
    rate: float

    def room(self, seconds: float) -> float:
        """Tell how many tokens can be done within so many seconds from now."""
        return max(0.0, seconds - self.wait) * self.rate if math.isfinite(self.rate) else math.inf


@dataclass(order=True, slots=True)
class _Job:
    """A request that waits for a server; `deadline` is when it must be answered, `tried` are servers that failed it."""

    deadline: float
    number: int
    tokens: int = field(compare=False)
    tried: Sequence[RerankServer] = field(compare=False)
    turn: asyncio.Future[RerankServer | Failed] = field(compare=False)


class Pool:
    """The servers of one model. State: who waits for them."""

    def __init__(self, servers: Sequence[RerankServer]) -> None:
        """Share the work among *servers*."""
        self.servers = servers
        self._line: list[_Job] = []
        self._numbers = count()

    @property
    def most(self) -> int:
        """How many texts every server takes at a time."""
        return min(server.max_batch for server in self.servers)

    def distrust(self) -> Failed | None:
        """Say why no server is trusted; None if one is."""
        return None if any(server.health.state in TRUSTED_STATES for server in self.servers) else self._excuse()

    def outlook(self) -> QueueEstimate:
        """Look ahead; of servers that are idle, or of which nothing is known yet, the best is expected."""
        now = time.monotonic()
        usable = [server for server in self.servers if server.usable(now)]
        rates = [server.throughput.rate for server in usable if server.throughput.requests]
        known = [rate for rate in rates if rate]
        if not known or len(known) < len(usable):
            return QueueEstimate(0.0, math.inf)
        ahead = self._waiting() + sum(server.throughput.tokens for server in usable)
        return QueueEstimate(ahead / sum(known), sum(known))

    def drop_late(self) -> bool:
        """Let those go who wait in vain, for their turn would come too late; tell whether there were any."""
        rate, now = self.outlook().rate, time.monotonic()
        ahead = sum(server.throughput.tokens for server in self.servers)
        late = []
        for job in sorted(job for job in self._line if not job.turn.done()):
            if now + (ahead + job.tokens) / rate > job.deadline:
                late.append(job)
            else:
                ahead += job.tokens
        for job in late:
            job.turn.set_result(Failed(Why.DEADLINE))
        return bool(late)

    async def ask(self, question: Question, deadline: float, patience: float = 0.0) -> list[float] | Failed:
        """Ask for raw scores by *deadline* (monotonic seconds); where a server fails another gets what time is left.

        No server is blamed for what it has not answered within fewer seconds than *patience*.
        """
        request = _Request(question, cost(question.texts), deadline, patience)
        tried: list[RerankServer] = []
        answer: list[float] | Failed = Failed(Why.DEADLINE)
        while len(tried) < len(self.servers) and time.monotonic() < deadline:
            server = await self._turn(request, tried)
            if isinstance(server, Failed):
                return answer if tried else server
            answer = await self._asked(server, request)
            if not isinstance(answer, Failed) or answer.why is Why.TOO_LONG:
                return answer
            tried.append(server)
        return answer

    async def _asked(self, server: RerankServer, request: _Request) -> list[float] | Failed:
        """Ask one server, whose place is reserved, and give the place to the next."""
        began = time.monotonic()
        share = _PROBE_SHARE if server.health.fault is not None and len(self.servers) > 1 else 1.0
        seconds, patience = (request.deadline - began) * share, request.patience * share
        # A probe gets a share of the time that is left, so that there is some for another server.
        # Who goes away, or was in a hurry, teaches nothing.
        answered = telling = False
        try:
            answer = await server.ask(request.question, began + seconds, patience)
            answered = not isinstance(answer, Failed)
            telling = answered or seconds >= patience
        finally:
            if telling:
                server.throughput.ended(time.monotonic(), request.tokens, began, answered=answered)
            else:
                server.throughput.dropped(request.tokens)
            self._next()
        return answer

    async def _turn(self, request: _Request, tried: Sequence[RerankServer]) -> RerankServer | Failed:
        """Wait for a place at a server that has not been tried; Failed where there is none in time."""
        turn: asyncio.Future[RerankServer | Failed] = asyncio.get_running_loop().create_future()
        heappush(self._line, _Job(request.deadline, next(self._numbers), request.tokens, tried, turn))
        self._next()
        try:
            async with asyncio.timeout(request.deadline - time.monotonic()):
                return await turn
        except (TimeoutError, asyncio.CancelledError) as end:
            # Its turn may have come in the same moment: then it has a place that it does not need.
            if turn.done() and not turn.cancelled() and isinstance(found := turn.result(), RerankServer):
                found.spare(request.tokens)
                self._next()
            if isinstance(end, TimeoutError):
                return Failed(Why.DEADLINE)
            raise

    def _next(self) -> None:
        """Give the places that are free to those whose deadline is nearest."""
        now = time.monotonic()
        # Who waits for another server than the one that failed it holds nobody up who may go there.
        held: list[_Job] = []
        while self._line:
            job = self._line[0]
            if not job.turn.done():
                kept = [server for one in held for server in self._fit(one, now)]
                found = self._choice(job, now, kept)
                if found is None and not job.tried:
                    break
                if found is None:
                    held.append(job)
                else:
                    job.turn.set_result(found)
            heappop(self._line)
        for job in held:
            heappush(self._line, job)

    def _fit(self, job: _Job, now: float) -> list[RerankServer]:
        """List the servers that may be asked."""
        return [server for server in self.servers if server not in job.tried and server.usable(now)]

    def _choice(self, job: _Job, now: float, kept: Sequence[RerankServer]) -> RerankServer | Failed | None:
        """Choose the server with the least to do; None while all that would do are busy, or *kept* for others."""
        usable = self._fit(job, now)
        if not usable:
            return self._excuse()
        free = [server for server in usable if server.has_room(job.tokens) and server not in kept]
        if not free:
            return None
        # Of a server whose pace is not known yet nothing better is expected than of the others.
        best = max((rate for one in self.servers if (rate := one.throughput.rate)), default=None)
        server = min(free, key=lambda one: (one.throughput.seconds_for(job.tokens, best), one.throughput.tokens))
        if now + server.throughput.seconds_for(job.tokens) > job.deadline:
            return Failed(Why.DEADLINE)
        server.take(now, job.tokens)
        return server

    def _excuse(self) -> Failed:
        """Say why no server can be asked."""
        mismatch = next((server.health.mismatch for server in self.servers if server.health.mismatch), None)
        fault = next((server.health.fault for server in self.servers if server.health.fault), None)
        if mismatch or not fault:
            untested = any(server.health.state not in TRUSTED_STATES for server in self.servers)
            return Failed(Why.SELF_TEST, mismatch or NOT_TESTED) if untested else Failed(Why.BREAKER)
        return fault

    def _waiting(self) -> int:
        """Count the tokens of those who wait."""
        return sum(job.tokens for job in self._line if not job.turn.done())
