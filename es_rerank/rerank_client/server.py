"""One rerank server: its connections, its requests in flight, its throughput and its health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from yarl import URL

from es_rerank.config.settings import Settings
from es_rerank.model import Failed, Rule, Scored, ScoreRequest, Why
from es_rerank.rerank.backends import RerankCall
from es_rerank.rerank.known_pairs import pairs_for
from es_rerank.rerank.prompt import PromptBuilder, approximate_tokens, read_documents
from es_rerank.rerank_client.admission import Admission, load_report
from es_rerank.rerank_client.self_test import SelfTest
from es_rerank.rerank_client.server_health import NOT_TESTED, TRUSTED_STATES, HealthState, ServerHealth
from es_rerank.rerank_client.state_log import StateLog
from es_rerank.rerank_client.throughput import Throughput
from es_rerank.rerank_client.transport import RerankTransport
from es_rerank.rerank_client.usage import ServerReport, Usage

# A server that returns vectors has at most as many tokens in flight as it processes in this time, so that the vector of
# a query, which a search waits for, is not computed after many documents. At an unknown rate, _VECTOR_TOKENS applies.
_VECTOR_SECONDS = 1.0
_VECTOR_TOKENS = 1024
# Time limit of a probe, which is enough for a known pair on a slow CPU.
_PROBE_SECONDS = 10.0
# Minimum of a measured time, to avoid a division by zero.
_MIN_SECONDS = 0.001
# Failures that the texts of a request can cause.
_CONTENT_FAULTS = frozenset({Why.REFUSED, Why.BAD_ANSWER})

Returned = Callable[["RerankServer", bool], None]
"""Called when a server answers again after it was unreachable. The flag is whether its self-test must be repeated."""


class RerankServer:
    """One rerank server.

    Attributes:
        url: The base URL of the server.
        health: The health of the server, which decides whether it gets requests and whether its scores are used.
        throughput: The requests in flight and the measured tokens per second.
        usage: The requests since the start, for the metrics.
        admission: The limit of requests in flight.
        self_test: The self-test of the server.

    """

    def __init__(self, settings: Settings, url: str, prompts: PromptBuilder, returned: Returned) -> None:
        """Prepare to send requests to *url*. *returned* is called when the server answers after it was unreachable."""
        self.url = url
        self.throughput = Throughput()
        self.usage = Usage()
        self.health = ServerHealth(self_test=settings.self_test and not prompts.backend.local)
        self.self_test = SelfTest(prompts.profile, self._score_pair, self.health, url)
        self._prompts = prompts
        self._returned = returned
        self._log = StateLog(url)
        self.admission = Admission(settings.reranker_max_requests)
        self._max_tokens = settings.reranker_max_tokens
        self._has_vectors = prompts.backend.has_vectors
        self._check: asyncio.Task[list[float] | Failed] | None = None
        self._transport = RerankTransport(settings, url, prompts.backend)

    def __repr__(self) -> str:
        url = URL(self.url)
        shown = url.with_user(None) if url.absolute else url
        return f"<RerankServer {shown} {self.health!r} {self.throughput!r}>"

    @property
    def max_batch(self) -> int:
        """Maximum number of texts per request."""
        return self._transport.max_batch

    def report(self) -> ServerReport:
        """Return the state and the usage of the server, for the metrics."""
        usage, in_flight = self.usage, self.throughput.requests
        return ServerReport(self.url, self.health.state, in_flight, usage.results, usage.passages, usage.tokens)

    async def close(self) -> None:
        """Close all connections."""
        if self._check is not None:
            self._check.cancel()
        await self._transport.close()

    def usable(self, now: float) -> bool:
        """Return whether requests of searches may be sent to this server at *now*, a value of `time.monotonic()`."""
        return self.health.state is HealthState.HEALTHY or self.health.admits(now)

    @property
    def max_tokens(self) -> int:
        """Maximum number of tokens in flight."""
        if not self._has_vectors:
            return self._max_tokens
        rate = self.throughput.rate
        return min(self._max_tokens, _VECTOR_TOKENS if rate is None else int(rate * _VECTOR_SECONDS))

    def has_room(self, tokens: int) -> bool:
        """Return whether a request of *tokens* may be sent now. It always may if no other request is in flight."""
        load = self.throughput
        fits = not tokens or not load.tokens or load.tokens + tokens <= self.max_tokens
        return not load.requests or (load.requests < self.admission.limit and fits)

    def reserve(self, now: float, tokens: int) -> None:
        """Reserve a slot for a request of *tokens* at *now*, a value of `time.monotonic()`."""
        if self.health.state is HealthState.OPEN:
            self.health.probe_sent()
        self.throughput.started(now, tokens)

    def release(self, tokens: int) -> None:
        """Release a slot that was reserved for a request of *tokens* but not used."""
        self.health.probe_released()
        self.throughput.dropped(tokens)

    async def ask(self, call: RerankCall, deadline: float, patience: float = 0.0) -> list[Any] | Failed:
        """Request raw scores or vectors, and record a failure in the server's health.

        Args:
            call: The query and the texts.
            deadline: Deadline for the answer, as a value of `time.monotonic()`.
            patience: A timeout after less than this many seconds does not count as a server failure.

        Returns:
            One value per text, in the order of the texts, or the failure.

        """
        sent_at = time.monotonic()
        answer = await self._send(call, deadline, patience)
        self._admit(answer, is_patient=deadline - sent_at >= patience)
        if self.health.state in TRUSTED_STATES or isinstance(answer, Failed):
            return answer
        # The server was unreachable after this request was sent, so the answer may be from a different model.
        return Failed(Why.SELF_TEST, NOT_TESTED)

    def _admit(self, answer: list[Any] | Failed, *, is_patient: bool) -> None:
        """Adapt the limit of requests in flight. A timeout counts only if the request waited long (*is_patient*)."""
        if not isinstance(answer, Failed):
            self.admission.answered(self.throughput.requests)
        elif answer.why is Why.OVERLOADED or (answer.why is Why.DEADLINE and is_patient):
            self.admission.congested(time.monotonic())

    async def report_load(self) -> bool:
        """Request the server's load report, and adapt the limit of requests in flight. Return whether it sent one."""
        report = load_report(await self._transport.metrics())
        if report:
            self.admission.reported(report, time.monotonic())
        return report is not None

    async def model_root(self) -> str | None:
        """Return the folder or name from which the server loaded the model; None if the server does not report this."""
        return (await self._transport.models()).get(self._prompts.model)

    @property
    def needs_probe(self) -> bool:
        """Whether the server has failed and no request in flight could show its recovery."""
        return self.health.trusted and self.health.state is not HealthState.HEALTHY and not self.throughput.requests

    async def probe(self) -> None:
        """Request the scores of a known pair, and record the result in the server's health."""
        now = time.monotonic()
        self.reserve(now, 0)
        try:
            await self._send(self._known_call(), now + _PROBE_SECONDS)
        finally:
            self.throughput.dropped(0)

    async def _send(self, call: RerankCall, deadline: float, patience: float = 0.0) -> list[Any] | Failed:
        """Send a request, even to a server that is not trusted, and record the result in the server's health."""
        sent_at = time.monotonic()
        try:
            answer = await self._transport.ask(call, deadline)
        except asyncio.CancelledError:
            # The client disconnected, which is not a server failure.
            self.health.probe_released()
            raise
        now = time.monotonic()
        if not isinstance(answer, Failed) or answer.why is Why.TOO_LONG:
            # A too long text is a problem of the search, so its rejection does not count as a server failure.
            self._answered(now)
        elif answer.why is Why.DEADLINE and (deadline - sent_at < patience or not self.health.is_silent(sent_at, now)):
            self.health.probe_released()
        elif not await self._is_due_to_content(answer, deadline):
            self.health.failed(answer, now)
            self._log.failed(answer)
        return answer

    async def _is_due_to_content(self, fault: Failed, deadline: float) -> bool:
        """Check whether a failure is due to the texts of a request. It is if the server still scores a known pair.

        Without this check, one client's texts could open the circuit breaker for all clients. Requests that fail at the
        same time share one check. If the deadline is too close for it, the texts are assumed to be the reason.
        """
        if fault.why not in _CONTENT_FAULTS:
            return False
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._transport.ask(self._known_call(), deadline))
        try:
            # A request whose client disconnects must not cancel the check for the others.
            answer = await asyncio.shield(self._check)
        except asyncio.CancelledError:
            self.health.probe_released()
            raise
        if isinstance(answer, Failed):
            if answer.why is Why.DEADLINE:
                self.health.probe_released()
            return answer.why is Why.DEADLINE
        self._answered(time.monotonic())
        return True

    def _known_call(self) -> RerankCall:
        """Return the request for one of the known pairs."""
        pair = pairs_for(self._prompts.profile)[0]
        return self._pair_call(ScoreRequest(pair.query, (pair.answer, pair.distractor), Rule("self-test"), 0.0))

    def _pair_call(self, request: ScoreRequest) -> RerankCall:
        """Return the request for a known pair, in the same prompt as a search. Its texts fit into every context."""
        query = self._prompts.query(request.query)
        documents = read_documents([text for text in request.documents if text])
        texts = self._prompts.readable(documents, self._prompts.limits(request.rule.long, query))
        return self._prompts.call(query, texts, request.rule)

    def _answered(self, now: float) -> None:
        """Record an answer, and the recovery of a server that was not healthy."""
        health = self.health
        if health.state is HealthState.HEALTHY:
            health.answered_at = now
            return
        if health.fault is not None:
            self.throughput.reset()
        trusted = health.trusted
        returned = health.answered(now)
        self._log.answered()
        if returned:
            self._returned(self, trusted and not health.trusted)

    async def _score_pair(self, request: ScoreRequest) -> Scored | Failed:
        """Score a known pair with the same code as for a search, but without the cache."""
        started = time.monotonic()
        answer = await self._send(self._pair_call(request), request.deadline)
        if isinstance(answer, Failed):
            return answer
        read = read_documents([f"{request.query}\n{text}" for text in request.documents if text])
        tokens = sum(approximate_tokens(document.size) for document in read)
        self.throughput.tested(tokens / max(time.monotonic() - started, _MIN_SECONDS))
        return Scored(self._prompts.probabilities(self._prompts.backend.scores(answer)), 0, self._prompts.model)
