"""The reranker that the pipeline calls: takes a query and documents, returns probabilities or a failure value."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum, auto

from es_rerank.config.settings import Settings
from es_rerank.model import Failed, Scored, ScoreRequest, Why
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder
from es_rerank.rerank_client.load_reports import LoadReports
from es_rerank.rerank_client.pool import ServerPool
from es_rerank.rerank_client.reading import DocumentRead, documents_read
from es_rerank.rerank_client.recovery import Recovery
from es_rerank.rerank_client.scoring import scoring
from es_rerank.rerank_client.server import RerankServer
from es_rerank.rerank_client.server_health import HealthState
from es_rerank.rerank_client.server_set import ServerSet
from es_rerank.rerank_client.status import RerankerStatus, server_status
from es_rerank.rerank_client.usage import ServerReport
from es_rerank.rerank_client.window import Window

# Requests time out at the deadline of their search. This later timeout ends a search that waits for a batch of another
# search with a later deadline.
_BACKSTOP_SECONDS = 0.01


class Readiness(StrEnum):
    """Whether searches are reranked."""

    OK = auto()
    """At least one server is healthy."""
    UNTESTED = auto()
    """No server has passed its self-test yet, and no problem is known."""
    DEGRADED = auto()
    """No server is healthy, because of known problems."""


@dataclass(frozen=True, slots=True)
class Health:
    """The state of the reranker, for the health check.

    Attributes:
        state: `ok` if at least one server is healthy.
        why: Description of the problem; empty if there is no problem.
        out: Number of servers that are not healthy.
        searches: Number of searches that are being scored or are queued.
        vector_bytes: Memory of the cached vectors, in bytes.
        texts: Number of texts whose vectors are being computed or are queued, including those for later searches.
        shared_lookups: Number of values looked up in the shared cache since the start, by result.

    """

    state: Readiness
    why: str = ""
    out: int = field(default=0, compare=False)
    searches: int = field(default=0, compare=False)
    vector_bytes: int = field(default=0, compare=False)
    texts: int = field(default=0, compare=False)
    shared_lookups: Mapping[str, int] = field(default_factory=dict, compare=False)


class Reranker:
    """Scores the windows of searches. Limits the number of concurrent searches and the duration of each search.

    `searches` is the number of searches that are being scored or are queued.
    """

    def __init__(self, settings: Settings) -> None:
        """Create the client without connecting to the servers."""
        self._settings = settings
        backend, scorer = scoring(settings)
        profile = PROFILES[settings.profile]
        if settings.max_model_tokens:
            profile = replace(profile, max_tokens=settings.max_model_tokens)
        self.model = "identity" if backend.local else settings.model or profile.model
        self._prompts = PromptBuilder(backend, profile, self.model, settings.max_search_tokens)
        self._pool = ServerPool()
        self._servers = ServerSet(settings, self._pool, self._server)
        self._scorer = scorer(settings, self._prompts, self._pool)
        self.searches = 0

    def __repr__(self) -> str:
        cache = self._scorer.cache
        counts = f"{self.searches} searches in progress, {len(cache)} cached {cache.contents}"
        return f"<Reranker {self.model} {self.health.state}: {counts}, {self._pool!r}>"

    async def start(self) -> None:
        """Run the self-tests, and follow DNS names until canceled. No search is reranked before a self-test passes."""
        if self._scorer.shared:
            await self._scorer.shared.start()
        await self._servers.run()

    async def recover(self) -> None:
        """Probe failed servers, and request load reports from the servers in use, until the task is canceled."""
        await asyncio.gather(Recovery(self._pool).run(), LoadReports(self._pool).run())

    async def close(self) -> None:
        """Cancel self-tests and requests, and close all connections."""
        await self._scorer.inflight.close()
        if self._scorer.shared:
            await self._scorer.shared.close()
        await self._servers.close()

    def give_up(self) -> None:
        """Fail all current and future searches, so that they return the engine's order before the process exits."""
        self._scorer.given_up = True
        self._scorer.inflight.cancel_all()

    @property
    def health(self) -> Health:
        """The state of the reranker, which is `ok` if at least one server is healthy."""
        servers = self._pool.servers
        out = [server for server in servers if server.health.state is not HealthState.HEALTHY]
        problems = [*(server.health.problem for server in out), self._servers.problem]
        why = "; ".join(dict.fromkeys(problem for problem in problems if problem))
        counts = len(out), self.searches, self._scorer.vector_bytes, self._scorer.texts, self._shared_lookups()
        if len(out) == len(servers):
            return Health(Readiness.DEGRADED if why else Readiness.UNTESTED, why, *counts)
        if out and why:
            why = f"{len(out)} of {len(servers)} servers out: {why}"
        return Health(Readiness.OK, why, *counts)

    def reports(self) -> list[ServerReport]:
        """Return the state and the usage of each server, for the metrics."""
        return [server.report() for server in self._pool.servers]

    def taken_waits(self) -> list[float]:
        """Return the waiting times of the requests since the last call of this function, in seconds."""
        return self._pool.waits.taken()

    async def score(self, request: ScoreRequest) -> Scored | Failed:
        """Score the documents of a window against a query, within the deadline of *request*.

        Returns:
            One probability per document, or the reason why there are no scores. The probability is None for a
            document without text (except with the backend `identity`) and for documents after the scored window.

        """
        scored, _ = await self._scored(request)
        return scored

    async def read(self, request: ScoreRequest) -> tuple[Scored | Failed, Sequence[DocumentRead | None]]:
        """Score the documents of a window.

        Returns:
            The scores or the failure; and for each document the passages that the model reads, even if they were not
            scored. They are None for a document without text. With the backend `identity`, the sequence is empty.

        """
        scored, window = await self._scored(request)
        if self._prompts.backend.local:
            return scored, ()
        window = window or await self._scorer.opened(request)
        return scored, await documents_read(window, self._scorer.reader, self._prompts)

    async def _scored(self, request: ScoreRequest) -> tuple[Scored | Failed, Window | None]:
        """Return the scores or the failure, and the window; None if there was no need or no time to open the window."""
        backend = self._prompts.backend
        if backend.local:
            return Scored(backend.decode(None, len(request.documents)), 0, self.model), None
        if failure := self._pool.failure():
            return failure, None
        now = time.monotonic()
        if request.deadline <= now:
            return Failed(Why.DEADLINE), None
        return await self._score_in_time(request, now)

    @property
    def status(self) -> RerankerStatus:
        """The state of the servers, the queue and the cache."""
        health, cache = self.health, self._scorer.cache
        return RerankerStatus(
            model=self.model,
            state=health.state,
            servers=[server_status(server) for server in self._pool.servers],
            searches=self.searches,
            queued=max(0, self._queued()),
            max_queued=self._settings.reranker_queue_size,
            cached=len(cache),
            cached_kind=cache.contents,
            vector_bytes=health.vector_bytes,
        )

    def _shared_lookups(self) -> dict[str, int]:
        """Return the number of values looked up in the shared cache, by result."""
        return dict(self._scorer.shared.counts) if self._scorer.shared else {}

    def _queued(self) -> int:
        """Return the number of queued searches. A negative number is the number of free slots."""
        return self.searches - sum(server.admission.limit for server in self._pool.servers)

    async def _score_in_time(self, request: ScoreRequest, now: float) -> tuple[Scored | Failed, Window | None]:
        """Score a window until its deadline. A window whose scores are all cached does not wait in the queue."""
        window, fault = None, None
        try:
            async with asyncio.timeout(request.deadline - now + _BACKSTOP_SECONDS):
                window = await self._scorer.opened(request)
                if not window.complete:
                    fault = await self._score_in_turn(window)
        except TimeoutError:
            fault = Failed(Why.DEADLINE)
        return self._scorer.result(window, fault) if window else Failed(Why.DEADLINE), window

    async def _score_in_turn(self, window: Window) -> Failed | None:
        """Score a window unless the queue is full. Return the failure, or None."""
        queued = self._queued()
        if queued >= self._settings.reranker_queue_size and not self._pool.drop_late():
            return Failed(Why.OVERLOADED)
        self.searches += 1
        try:
            return await self._scorer.score(window, queued)
        finally:
            self.searches -= 1

    def _server(self, url: str) -> RerankServer:
        """Return the client of the rerank server at *url*."""
        return RerankServer(self._settings, url, self._prompts, self._server_returned)

    def _server_returned(self, server: RerankServer, retest: bool) -> None:
        """Clear the cache and repeat the self-test after a server was unreachable: its model may have changed."""
        self._scorer.cache.clear()
        if retest:
            self._servers.retest(server)
