"""Scores one window: looks up cached scores, reduces the window under load, and requests the other scores."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

from es_rerank.config.settings import Settings
from es_rerank.model import Failed, Scored, ScoreRequest, Why
from es_rerank.rerank.batching import batches
from es_rerank.rerank.prompt import Passage, PromptBuilder
from es_rerank.rerank_client.cache_keys import passage_keys
from es_rerank.rerank_client.cutting import Cutter
from es_rerank.rerank_client.inflight import InFlight, collected
from es_rerank.rerank_client.load_shedding import FULL_WINDOW_LOAD, all_or_none, documents_under_load
from es_rerank.rerank_client.lru_cache import LruCache
from es_rerank.rerank_client.pacing import FIRST_TOKENS, next_head
from es_rerank.rerank_client.pool import ServerPool
from es_rerank.rerank_client.shared_cache import SCORES
from es_rerank.rerank_client.sharing import shared_cache
from es_rerank.rerank_client.tokenizer import ModelTokenizer
from es_rerank.rerank_client.window import Window
from es_rerank.rerank_client.window_reading import WindowReader

# Texts per batch if the deadline may pass before all batches are scored, so that some batches are complete by then.
_STEP_TEXTS = 4
# A window is scored at once if that is expected to take at most this fraction of the remaining time.
_AT_ONCE_SHARE = 0.5
# Failures after which the scores received so far may be used.
_LATE = frozenset({Why.DEADLINE, Why.OVERLOADED})
# A single scored document cannot be reordered.
_MIN_PARTIAL_DOCUMENTS = 2
PATIENCE_SHARE = 0.25
"""A timeout shorter than this fraction of the rule's deadline does not count as a server failure."""
MIN_SECONDS = 0.001
"""Minimum of the remaining time in seconds, to avoid a division by zero."""


class WindowScorer:
    """Scores windows with the servers of a pool.

    Attributes:
        reader: Splits the documents of a window into passages.
        cache: The cached scores.
        shared: The cache that all processes share; None if there is no shared cache.
        inflight: The scores that have been requested, but not received.
        given_up: Whether no more scores are requested, because the process is about to exit.

    """

    vector_bytes = texts = 0
    """The memory and the number of vectors, as in `VectorScorer`. This class has no vectors."""

    def __init__(self, settings: Settings, prompts: PromptBuilder, pool: ServerPool) -> None:
        """Score with the servers of *pool*, with the prompts of their model."""
        self._settings = settings
        tokenizer = ModelTokenizer(settings.tokenizer, prompts.model, pool.model_root)
        self.reader = WindowReader(prompts, Cutter(prompts, tokenizer, settings.cut_cache_bytes))
        self._prompts = prompts
        self._pool = pool
        self.cache: LruCache[float] = LruCache("scores", settings.score_cache_size)
        self.shared = shared_cache(settings, prompts.model, "scores", SCORES, self.cache.put_many)
        self.inflight: InFlight[float] = InFlight(self._remember)
        self.given_up = False

    async def opened(self, request: ScoreRequest) -> Window:
        """Return the window of a search with the cached scores. No text is split or escaped here."""
        window = await self.reader.opened(request)
        await self._look_up(window)
        return window

    async def score(self, window: Window, queued: int) -> Failed | None:
        """Decide how many documents to score, and request their scores unless cached. Return the failure, or None."""
        if window.numbers is None:
            await self.reader.choose(window)
            await self._look_up(window)
        new_tokens = self.reader.new_tokens(window, window.cached)
        request, is_slow = window.request, self.is_slow(new_tokens, window.request)
        if is_slow and not request.whole and queued <= 0 and not self._pool.queue_estimate().wait:
            return await self._score_in_steps(window, new_tokens)
        count = self.readable(new_tokens, request, queued)
        if not count:
            return Failed(Why.OVERLOADED)
        return await self._score_head(window, count, self._step_texts if is_slow else self._pool.max_batch)

    def is_slow(self, tokens: Sequence[int], request: ScoreRequest) -> bool:
        """Return whether even idle servers may need so much of the remaining time that a window is scored in steps."""
        rate, seconds = self._pool.idle_rate(), request.deadline - time.monotonic()
        return sum(tokens) > (FIRST_TOKENS if rate is None else rate * seconds * _AT_ONCE_SHARE)

    async def _score_in_steps(self, window: Window, tokens: Sequence[int]) -> Failed | None:
        """Score a window in steps, from the start, until the remaining time is too short for the next step."""
        scored, rate = 0, self._pool.idle_rate()
        while scored < len(tokens):
            started = time.monotonic()
            capacity = None if rate is None else rate * (window.request.deadline - started)
            count = next_head(tokens, scored, capacity)
            if count == scored:
                break
            new = sum(tokens[scored:count])
            is_measured = scored and capacity is not None and new <= capacity * _AT_ONCE_SHARE
            texts = self._pool.max_batch if is_measured else self._step_texts
            if fault := await self._score_head(window, count, texts):
                return fault
            if new:
                rate = new / max(time.monotonic() - started, MIN_SECONDS)
            scored = count
        return None

    async def _score_head(self, window: Window, count: int, max_texts: int) -> Failed | None:
        """Get the scores of the first *count* documents, with at most *max_texts* texts in a request."""
        window.count = count
        scores = window.scores
        missing = [key for key in window.missing() if key not in scores]
        return await self._get_scores(await self.reader.passages(window, missing), window, max_texts)

    @property
    def _step_texts(self) -> int:
        """Maximum number of texts in a request if the deadline may pass before all requests are answered."""
        return min(_STEP_TEXTS, self._pool.max_batch)

    def _remember(self, keys: Collection[bytes], scores: Sequence[float]) -> None:
        """Cache scores in this process and in the shared cache."""
        self.cache.put_many(keys, scores)
        if self.shared:
            self.shared.put_many(keys, scores)

    async def _look_up(self, window: Window) -> None:
        """Add the cached scores of all passages to the window, if the passages are already known."""
        if window.numbers is None:
            return
        limits, request = window.limits, window.request
        reading = f"{limits.mode} {limits.max_passage_tokens} {limits.max_search_tokens}"
        pair = (self._prompts.model, self._settings.profile, request.rule.instruction or "", reading, request.query)
        common = (*pair, *self.context_of(window))
        digests = [document.digest for document in window.documents]
        window.set_keys(passage_keys(common, digests, window.numbers))
        window.scores = self.cache.get_many(window.places)
        if self.shared and len(window.scores) < len(window.places):
            window.scores |= await self.shared.get_many([key for key in window.places if key not in window.scores])
        window.cached = frozenset(window.scores)
        window.count = len(window.rows)

    def context_of(self, window: Window) -> tuple[str, ...]:  # noqa: ARG002
        """Return strings to add to the cache keys of the window's scores.

        A score depends on them in addition to its query and passage. In this class, there are no such strings.
        """
        return ()

    def batched(self, tokens: Sequence[int], max_texts: int) -> Iterable[slice]:
        """Return the slices of the passages that are scored in one request each, with at most *max_texts* texts."""
        max_tokens = self._settings.reranker_max_tokens
        at_once = tokens and len(tokens) <= max_texts and sum(tokens) <= max_tokens
        return [slice(None)] if at_once else batches(tokens, max_texts, max_tokens)

    def readable(self, tokens: Sequence[int], request: ScoreRequest, queued: int) -> int:
        """Return the number of documents to score, given the length of the queue and the remaining time."""
        seconds = max(request.deadline - time.monotonic(), MIN_SECONDS)
        estimate = self._pool.queue_estimate()
        capacity = estimate.capacity(seconds)
        queue = queued / max(self._settings.reranker_queue_size, 1) if queued > 0 else 0.0
        load = max(queue, estimate.wait / seconds)
        if load < FULL_WINDOW_LOAD and sum(tokens) <= capacity:
            return len(tokens)
        return all_or_none(tokens, capacity) if request.whole else documents_under_load(tokens, load, capacity)

    def result(self, window: Window, fault: Failed | None) -> Scored | Failed:
        """Return each document's best passage score as a probability; after a timeout, partial scores if allowed."""
        return scored(window, fault, self._prompts)

    async def _get_scores(self, passages: Mapping[bytes, Passage], window: Window, max_texts: int) -> Failed | None:
        """Request the scores that are not in flight, and wait for all of them. Return the failure, or None."""
        if self.given_up:
            return Failed(Why.DEADLINE)
        own = {key: passages[key] for key in self.inflight.not_started(passages)}
        self._request(own, window, max_texts)
        with self.inflight.awaited(passages) as wanted:
            retryable = await collected(wanted, own, window.scores)
        if isinstance(retryable, Failed):
            return retryable
        if not retryable:
            return None
        return await self._get_scores({key: passages[key] for key in retryable}, window, max_texts)

    def _request(self, passages: Mapping[bytes, Passage], window: Window, max_texts: int) -> None:
        """Request the scores of *passages*, in batches that fit the limits of the servers."""
        request, keys, tokens = window.request, list(passages), [passage.tokens for passage in passages.values()]
        rule = request.rule
        for part in self.batched(tokens, max_texts):
            call = self._prompts.call(window.query, [passages[key].text for key in keys[part]], rule)
            ask = partial(self._pool.ask, call, sum(tokens[part]), request.deadline, rule.deadline * PATIENCE_SHARE)
            self.inflight.start(keys[part], ask)


def scored(window: Window, fault: Failed | None, prompts: PromptBuilder) -> Scored | Failed:
    """Return each document's best passage score as a probability; after a timeout, partial scores if allowed.

    Partial scores are allowed if the rule allows them and the request does not require the whole window.

    Args:
        window: The window with the scores received so far.
        fault: The reason why scores are missing; None if all scores were received.
        prompts: Converts scores to probabilities.

    """
    count = window.count
    if fault:
        if not window.request.rule.partial or window.request.whole or fault.why not in _LATE:
            return fault
        count = window.scored_head()
    best, cached = window.best_scores(count), window.cached_documents(count)
    if fault and len(best) < _MIN_PARTIAL_DOCUMENTS:
        return fault
    remaining = iter(prompts.probabilities(best))
    probabilities = [next(remaining) if row else None for row in window.rows[:count]]
    unread = [None] * (len(window.rows) - count)
    return Scored([*probabilities, *unread], cached, prompts.model, window=count)
