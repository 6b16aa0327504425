"""The reranker as the pipeline sees it: documents in, probabilities out, and every fault a value."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto
from functools import partial

from es_rerank.config.settings import Settings
from es_rerank.model import Failed, Scored, ScoreRequest, Why
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.batching import batches
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import Passage, PromptBuilder
from es_rerank.rerank_client.inflight import InFlight
from es_rerank.rerank_client.load_shedding import FULL_WINDOW_LOAD, all_or_none, documents_under_load
from es_rerank.rerank_client.pool import ServerPool
from es_rerank.rerank_client.score_cache import ScoreCache, pair_keys
from es_rerank.rerank_client.server import RerankServer
from es_rerank.rerank_client.server_health import HealthState
from es_rerank.rerank_client.tokenizer import load_tokens
from es_rerank.rerank_client.window import Window

# Where partial scores may be used, requests are this small, so that there are some when time runs out.
_PARTIAL_BATCH_TEXTS = 10
# Faults that leave a part of a window unscored without being the server's.
_LATE = frozenset({Why.DEADLINE, Why.OVERLOADED})
# Fewer scored documents have no order.
_MIN_PARTIAL_DOCUMENTS = 2
# A server may be silent for this share of a rule's deadline.
_PATIENCE_SHARE = 0.25
# Requests end in time by themselves; this ends a search that waits for a request of another one.
_BACKSTOP_SECONDS = 0.01
_MIN_SECONDS = 0.001
# To split more text than this takes so long that it is done in a thread.
_THREAD_CHARACTERS = 200_000


class Readiness(StrEnum):
    """Whether searches are reranked."""

    OK = auto()
    UNTESTED = auto()
    DEGRADED = auto()


@dataclass(frozen=True, slots=True)
class Health:
    """The state of the reranker.

    Attributes:
        state: `ok` as long as one server works.
        why: What is wrong; empty if nothing is.
        out: How many servers do not window.
        searches: Searches that are being scored or wait for a server.

    """

    state: Readiness
    why: str = ""
    out: int = field(default=0, compare=False)
    searches: int = field(default=0, compare=False)


class Reranker:
    """Splits documents, looks scores up, limits the work and sends it. `searches` is how many are in progress."""

    def __init__(self, settings: Settings) -> None:
        """Prepare to use the servers of *settings*; nothing is sent yet."""
        self._settings = settings
        backend, profile = BACKENDS[settings.backend], PROFILES[settings.profile]
        self.model = "identity" if backend.local else settings.model or profile.model
        self._prompts = PromptBuilder(backend, profile, self.model, settings.max_search_tokens)
        returned = self._server_returned
        self._pool = ServerPool([RerankServer(settings, url, self._prompts, returned) for url in settings.reranker])
        self._cache = ScoreCache(settings.score_cache_size)
        self._inflight = InFlight(self._cache.put_many)
        self._self_tests: set[asyncio.Task[None]] = set()
        self.searches = 0
        self._given_up = False

    def __repr__(self) -> str:
        counts = f"{self.searches} searches in progress, {len(self._cache)} cached scores"
        return f"<Reranker {self.model} {self.health.state}: {counts}, {self._pool!r}>"

    async def start(self) -> None:
        """Load the tokenizer, which may download it, then run the self-tests; until then searches are not reranked."""
        if not self._prompts.backend.local:
            self._prompts.tokens = await asyncio.to_thread(load_tokens, self._settings.tokenizer, self.model)
        await asyncio.gather(*(server.self_test.run() for server in self._pool.servers))

    async def close(self) -> None:
        """Cancel the work in progress and close all connections."""
        for task in tuple(self._self_tests):
            task.cancel()
        await asyncio.gather(*self._self_tests, return_exceptions=True)
        await self._inflight.close()
        for server in self._pool.servers:
            await server.close()

    def give_up(self) -> None:
        """Fail all searches in progress and to come: the process ends, and they get the engine's order in time."""
        self._given_up = True
        self._inflight.cancel_all()

    @property
    def health(self) -> Health:
        """The state of the reranker, which is `ok` as long as one server works."""
        servers = self._pool.servers
        out = [server for server in servers if server.health.state is not HealthState.HEALTHY]
        why = "; ".join(dict.fromkeys(problem for server in out if (problem := server.health.problem)))
        if len(out) == len(servers):
            return Health(Readiness.DEGRADED if why else Readiness.UNTESTED, why, len(out), self.searches)
        why = f"{len(out)} of {len(servers)} servers out: {why}" if why else ""
        return Health(Readiness.OK, why, len(out), self.searches)

    async def score(self, request: ScoreRequest) -> Scored | Failed:
        """Score the documents of a window against a query, within the deadline of the request.

        Returns:
            One probability a document, None for one without text or behind the part of the window that was read; or
            why there are no scores. The backend without a server scores documents without text too.

        """
        backend = self._prompts.backend
        if backend.local:
            return Scored(backend.decode(None, len(request.documents)), 0, self.model)
        if failure := self._pool.failure():
            return failure
        now = time.monotonic()
        if request.deadline <= now:
            return Failed(Why.DEADLINE)
        if self._queued() >= self._settings.reranker_queue_size and not self._pool.drop_late():
            return Failed(Why.OVERLOADED)
        return await self._score_in_time(Window(request), now)

    def _queued(self) -> int:
        """Return how many searches wait for a server; below zero, that many more could be served."""
        return self.searches - self._settings.reranker_max_requests * len(self._pool.servers)

    async def _score_in_time(self, window: Window, now: float) -> Scored | Failed:
        """Score a window, but not after its deadline."""
        # Counted before the search itself is in progress.
        queued = self._queued()
        self.searches += 1
        try:
            async with asyncio.timeout(window.request.deadline - now + _BACKSTOP_SECONDS):
                fault = await self._score_window(window, queued)
        except TimeoutError:
            fault = Failed(Why.DEADLINE)
        finally:
            self.searches -= 1
        return self._result(window, fault)

    async def _score_window(self, window: Window, queued: int) -> Failed | None:
        """Split the documents, decide how many are read, and get the score of each of their passages."""
        request, split = window.request, self._prompts.split
        large = sum(len(text or "") for text in request.documents) >= _THREAD_CHARACTERS
        query, rows = await asyncio.to_thread(split, request) if large else split(request)
        passages = self._look_up(window, query, rows)
        new_tokens = [sum(passages[key].tokens for key in row if key not in window.cached) for row in window.rows]
        window.count = self._readable(new_tokens, request, queued)
        if not window.count:
            return Failed(Why.OVERLOADED)
        return await self._get_scores(query, {key: passages[key] for key in window.missing()}, window)

    def _look_up(self, window: Window, query: str, rows: Sequence[Sequence[Passage]]) -> Mapping[bytes, Passage]:
        """Key all passages, look up the scores that are cached, and return the passages by key."""
        passages = [passage for row in rows for passage in row]
        common = (self.model, self._settings.profile, window.request.rule.instruction or "", query)
        keys = pair_keys(common, [passage.text for passage in passages])
        window.scores = self._cache.get_many(dict.fromkeys(keys))
        window.cached = frozenset(window.scores)
        window.set_rows(keys, [len(row) for row in rows])
        return dict(zip(keys, passages, strict=True))

    def _readable(self, tokens: Sequence[int], request: ScoreRequest, queued: int) -> int:
        """Return how many documents can be read, by the queue and by the time that is left."""
        seconds = max(request.deadline - time.monotonic(), _MIN_SECONDS)
        estimate = self._pool.queue_estimate()
        capacity = estimate.capacity(seconds)
        queue = queued / max(self._settings.reranker_queue_size, 1) if queued > 0 else 0.0
        load = max(queue, estimate.wait / seconds)
        if load < FULL_WINDOW_LOAD and sum(tokens) <= capacity:
            return len(tokens)
        return all_or_none(tokens, capacity) if request.whole else documents_under_load(tokens, load, capacity)

    def _result(self, window: Window, fault: Failed | None) -> Scored | Failed:
        """Score each document by its best passage; of a late search, the scored head where that may be used."""
        count = window.count
        if fault:
            if not window.request.rule.partial or fault.why not in _LATE:
                return fault
            count = window.scored_head()
        best, cached = window.best_scores(count), window.cached_documents(count)
        if fault and len(best) < _MIN_PARTIAL_DOCUMENTS:
            return fault
        remaining = iter(self._prompts.probabilities(best))
        probabilities = [next(remaining) if row else None for row in window.rows[:count]]
        unread = [None] * (len(window.rows) - count)
        return Scored([*probabilities, *unread], cached, self.model, window=count)

    async def _get_scores(self, query: str, passages: Mapping[bytes, Passage], window: Window) -> Failed | None:
        """Request the pairs that are not in flight, and wait for all of them."""
        if self._given_up:
            return Failed(Why.DEADLINE)
        own = {key: passages[key] for key in self._inflight.not_started(passages)}
        self._request(query, own, window.request)
        retryable: dict[bytes, Passage] = {}
        with self._inflight.awaited(passages) as wanted:
            for batch, keys in wanted.items():
                answer = await asyncio.shield(batch.answer)
                if not isinstance(answer, Failed):
                    window.scores |= {key: answer[batch.positions[key]] for key in keys}
                elif answer.why is Why.DEADLINE and keys[0] not in own:
                    # The search that requested it had less time than this one, or its client has gone away.
                    retryable |= {key: passages[key] for key in keys}
                else:
                    return answer
        return await self._get_scores(query, retryable, window) if retryable else None

    def _request(self, query: str, passages: Mapping[bytes, Passage], request: ScoreRequest) -> None:
        """Send pairs to the servers, in as many requests as their limits demand."""
        rule, keys, tokens = request.rule, list(passages), [passage.tokens for passage in passages.values()]
        max_texts = min(_PARTIAL_BATCH_TEXTS, self._pool.max_batch) if rule.partial else self._pool.max_batch
        max_tokens = self._settings.reranker_max_tokens
        at_once = keys and len(keys) <= max_texts and sum(tokens) <= max_tokens
        for part in [slice(None)] if at_once else batches(tokens, max_texts, max_tokens):
            call = self._prompts.call(query, [passages[key].text for key in keys[part]], rule)
            ask = partial(self._pool.ask, call, sum(tokens[part]), request.deadline, rule.deadline * _PATIENCE_SHARE)
            self._inflight.start(keys[part], ask)

    def _server_returned(self, server: RerankServer, retest: bool) -> None:
        """Forget all scores after a server was unreachable, and test it again: it may serve another model now."""
        self._cache.clear()
        if retest:
            task = asyncio.create_task(server.self_test.run())
            self._self_tests.add(task)
            task.add_done_callback(self._self_tests.discard)
