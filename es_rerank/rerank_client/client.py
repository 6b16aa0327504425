"""The reranker that the pipeline calls: takes a query and documents, returns probabilities or a failure value."""

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

# Batch size for rules that allow partial scores, so that some batches are complete when the deadline is reached.
_PARTIAL_BATCH_TEXTS = 10
# Failures after which the scores received so far may be used.
_LATE = frozenset({Why.DEADLINE, Why.OVERLOADED})
# A single scored document cannot be reordered.
_MIN_PARTIAL_DOCUMENTS = 2
# A timeout shorter than this fraction of the rule's deadline does not count as a server failure.
_PATIENCE_SHARE = 0.25
# Requests time out at the deadline of their search. This later timeout ends a search that waits for a batch of another
# search with a later deadline.
_BACKSTOP_SECONDS = 0.01
_MIN_SECONDS = 0.001
# Longer windows are split into passages in a thread, because that would block the event loop.
_THREAD_CHARACTERS = 200_000


class Readiness(StrEnum):
    """Whether searches are reranked."""

    OK = auto()
    UNTESTED = auto()
    DEGRADED = auto()


@dataclass(frozen=True, slots=True)
class Health:
    """The state of the reranker, for the health check.

    Attributes:
        state: `ok` if at least one server is healthy.
        why: Description of the problem; empty if there is none.
        out: Number of servers that are not healthy.
        searches: Number of searches that are being scored or are queued.

    """

    state: Readiness
    why: str = ""
    out: int = field(default=0, compare=False)
    searches: int = field(default=0, compare=False)


class Reranker:
    """Splits documents into passages, looks up cached scores, sheds load and requests the remaining scores.

    `searches` is the number of searches in progress.
    """

    def __init__(self, settings: Settings) -> None:
        """Create the client without connecting to the servers."""
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
        """Load (perhaps download) the tokenizer and run the self-tests. Searches are not reranked before they pass."""
        if not self._prompts.backend.local:
            self._prompts.tokens = await asyncio.to_thread(load_tokens, self._settings.tokenizer, self.model)
        await asyncio.gather(*(server.self_test.run() for server in self._pool.servers))

    async def close(self) -> None:
        """Cancel self-tests and requests, and close all connections."""
        for task in tuple(self._self_tests):
            task.cancel()
        await asyncio.gather(*self._self_tests, return_exceptions=True)
        await self._inflight.close()
        for server in self._pool.servers:
            await server.close()

    def give_up(self) -> None:
        """Fail all current and future searches, so that they return the engine's order before the process exits."""
        self._given_up = True
        self._inflight.cancel_all()

    @property
    def health(self) -> Health:
        """The state of the reranker, which is `ok` if at least one server is healthy."""
        servers = self._pool.servers
        out = [server for server in servers if server.health.state is not HealthState.HEALTHY]
        why = "; ".join(dict.fromkeys(problem for server in out if (problem := server.health.problem)))
        if len(out) == len(servers):
            return Health(Readiness.DEGRADED if why else Readiness.UNTESTED, why, len(out), self.searches)
        why = f"{len(out)} of {len(servers)} servers out: {why}" if why else ""
        return Health(Readiness.OK, why, len(out), self.searches)

    async def score(self, request: ScoreRequest) -> Scored | Failed:
        """Score the documents of a window against a query, within the deadline of *request*.

        Returns:
            One probability per document, or the reason why there are no scores. The probability is None for a
            document without text (except with the backend `identity`) and for documents after the scored window.

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
        """Return the number of queued searches; if negative, the number of free slots."""
        return self.searches - self._settings.reranker_max_requests * len(self._pool.servers)

    async def _score_in_time(self, window: Window, now: float) -> Scored | Failed:
        """Score a window and stop when its deadline is reached."""
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
        """Split the documents into passages, decide how many documents to score, and get the score of each passage."""
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
        """Compute the cache keys of all passages, add cached scores to the window, and return the passages by key."""
        passages = [passage for row in rows for passage in row]
        common = (self.model, self._settings.profile, window.request.rule.instruction or "", query)
        keys = pair_keys(common, [passage.text for passage in passages])
        window.scores = self._cache.get_many(dict.fromkeys(keys))
        window.cached = frozenset(window.scores)
        window.set_rows(keys, [len(row) for row in rows])
        return dict(zip(keys, passages, strict=True))

    def _readable(self, tokens: Sequence[int], request: ScoreRequest, queued: int) -> int:
        """Return how many documents can be scored, given the length of the queue and the remaining time."""
        seconds = max(request.deadline - time.monotonic(), _MIN_SECONDS)
        estimate = self._pool.queue_estimate()
        capacity = estimate.capacity(seconds)
        queue = queued / max(self._settings.reranker_queue_size, 1) if queued > 0 else 0.0
        load = max(queue, estimate.wait / seconds)
        if load < FULL_WINDOW_LOAD and sum(tokens) <= capacity:
            return len(tokens)
        return all_or_none(tokens, capacity) if request.whole else documents_under_load(tokens, load, capacity)

    def _result(self, window: Window, fault: Failed | None) -> Scored | Failed:
        """Return each document's best passage score as a probability; after a timeout, partial scores if allowed."""
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
        """Request the scores that are not in flight yet, and wait for all of them."""
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
                    # The search that requested this batch had an earlier deadline, or its client disconnected.
                    retryable |= {key: passages[key] for key in keys}
                else:
                    return answer
        return await self._get_scores(query, retryable, window) if retryable else None

    def _request(self, query: str, passages: Mapping[bytes, Passage], request: ScoreRequest) -> None:
        """Request the scores of *passages*, in batches that fit the limits of the servers."""
        rule, keys, tokens = request.rule, list(passages), [passage.tokens for passage in passages.values()]
        max_texts = min(_PARTIAL_BATCH_TEXTS, self._pool.max_batch) if rule.partial else self._pool.max_batch
        max_tokens = self._settings.reranker_max_tokens
        at_once = keys and len(keys) <= max_texts and sum(tokens) <= max_tokens
        for part in [slice(None)] if at_once else batches(tokens, max_texts, max_tokens):
            call = self._prompts.call(query, [passages[key].text for key in keys[part]], rule)
            ask = partial(self._pool.ask, call, sum(tokens[part]), request.deadline, rule.deadline * _PATIENCE_SHARE)
            self._inflight.start(keys[part], ask)

    def _server_returned(self, server: RerankServer, retest: bool) -> None:
        """Clear the cache and repeat the self-test after a server was unreachable: its model may have changed."""
        self._cache.clear()
        if retest:
            task = asyncio.create_task(server.self_test.run())
            self._self_tests.add(task)
            task.add_done_callback(self._self_tests.discard)
