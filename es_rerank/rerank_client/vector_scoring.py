"""Scores windows with a bi-encoder: a score is the cosine similarity of the vectors of the query and of a passage.

The vector of a passage does not depend on the query, so vectors are cached. If all passages have cached vectors, a
search needs only the vector of the query and a matrix product. Vectors that are missing at the deadline of a search are
computed in the background and cached, for the next search that finds these documents.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from es_rerank.config.settings import Settings
from es_rerank.model import Failed, Scored, ScoreRequest, Why
from es_rerank.rerank.backends import BACKENDS, Backend, RerankCall
from es_rerank.rerank.batching import batches
from es_rerank.rerank.prompt import Passage, PromptBuilder
from es_rerank.rerank.vectors import Precision, VectorLengthError, cosines, vector_backend
from es_rerank.rerank_client.cache_keys import common_digest, passage_keys
from es_rerank.rerank_client.cutting import Cutter
from es_rerank.rerank_client.inflight import InFlight, collected
from es_rerank.rerank_client.load_shedding import all_or_none, documents_under_load
from es_rerank.rerank_client.lru_cache import LruCache
from es_rerank.rerank_client.pool import ServerPool
from es_rerank.rerank_client.shared_cache import VECTORS
from es_rerank.rerank_client.sharing import shared_cache
from es_rerank.rerank_client.tokenizer import ModelTokenizer
from es_rerank.rerank_client.window import Window
from es_rerank.rerank_client.window_reading import WindowReader
from es_rerank.rerank_client.window_scoring import MIN_SECONDS, PATIENCE_SHARE, scored

# After the deadline of a search, the computation of its missing vectors continues for at most _KEEP_SECONDS, and only
# if the vectors of at most _MAX_KEPT_TEXTS texts are in flight.
_KEEP_SECONDS = 30.0
_MAX_KEPT_TEXTS = 1024
# Timeout of one batch. A server that needs more time counts as failed, because it has at most a second of work.
_BATCH_SECONDS = 5.0
# Added to the deadlines of batches that are expected to be answered before the deadline of their search. The other
# batches get _KEEP_SECONDS, so that the batches that later searches wait for are sent before them.
_SOON_SECONDS = 2.0
# Memory of a cached vector in addition to its values: the key, the headers of two objects, and the links of the cache.
_ENTRY_BYTES = 190
# Two batches are in flight per server: one is computed, and one is ready when the server has finished.
_BATCHES = 2


def scoring_backend(settings: Settings) -> Backend:
    """Return the embeddings API. Its `decode` rounds vectors to the precision in which they are cached."""
    return vector_backend(BACKENDS[settings.backend], _precision(settings))


def _precision(settings: Settings) -> Precision:
    """Return the precision of all vectors, cached or not, because a score must not depend on the state of the cache."""
    return Precision.HALF if settings.vector_cache_bytes else Precision.SINGLE


class VectorScorer:
    """Scores windows with vectors from the servers of a pool.

    Attributes:
        reader: Splits the documents of a window into passages.
        cache: The cached vectors.
        shared: The cache that all processes share; None if there is no shared cache.
        inflight: The vectors that have been requested, but not received.
        given_up: Whether no more vectors are requested, because the process is about to exit.

    """

    def __init__(self, settings: Settings, prompts: PromptBuilder, pool: ServerPool) -> None:
        """Score with vectors from the servers of *pool*. The backend of *prompts* must be `scoring_backend`."""
        self._settings = settings
        tokenizer = ModelTokenizer(settings.tokenizer, prompts.model, pool.model_root)
        self.reader = WindowReader(prompts, Cutter(prompts, tokenizer, settings.cut_cache_bytes))
        self._prompts = prompts
        self._pool = pool
        self._precision = _precision(settings)
        caching = settings.vector_cache_bytes > 0
        self._keep_seconds = _KEEP_SECONDS if caching else 0.0
        self._soon_seconds = min(_SOON_SECONDS, self._keep_seconds)
        self.cache = LruCache("vectors", settings.vector_cache_bytes, _entry_bytes)
        contents = f"vectors-{self._precision.name.lower()}"
        self.shared = shared_cache(settings, prompts.model, contents, VECTORS, self.cache.put_many)
        self.inflight: InFlight[bytes] = InFlight(self._remember, _MAX_KEPT_TEXTS if caching else 0)
        self.given_up = False

    @property
    def vector_bytes(self) -> int:
        """Memory of the cached vectors, in bytes."""
        return self.cache.size

    @property
    def texts(self) -> int:
        """Number of texts whose vectors are being computed or are queued."""
        return len(self.inflight)

    async def opened(self, request: ScoreRequest) -> Window:
        """Return the window of a search with the cached vectors. If all are cached, no text is split or escaped."""
        window = await self.reader.opened(request)
        await self._look_up(window)
        if window.query_key in window.cached and window.cached.issuperset(window.places):
            self._add_scores(window)
        return window

    async def score(self, window: Window, queued: int) -> Failed | None:
        """Decide how many documents to score, and request the missing vectors of the query and of the passages.

        Returns:
            A failure, for example if not all vectors were received before the deadline; otherwise None.

        """
        if window.numbers is None:
            await self.reader.choose(window)
            await self._look_up(window)
        window.count = self._readable(window, queued)
        if not window.count:
            return Failed(Why.OVERLOADED)
        profile = self._prompts.profile
        passages = await self.reader.passages(window, window.missing())
        texts = {key: Passage(profile.document + passage.text, passage.tokens) for key, passage in passages.items()}
        if window.query_key not in window.cached:
            texts = {window.query_key: Passage(profile.query + window.query, 0), **texts}
        return await self._get_vectors(texts, window)

    def result(self, window: Window, fault: Failed | None) -> Scored | Failed:
        """Return the best passage score of each document as a probability.

        Args:
            window: The window.
            fault: The result of `score`. After a timeout, the scores of some documents are returned if the rule allows
                partial scores.

        """
        mismatch = None if window.complete else self._add_scores(window)
        return scored(window, mismatch or fault, self._prompts)

    def _remember(self, keys: Collection[bytes], vectors: Sequence[bytes]) -> None:
        """Cache vectors in this process and in the shared cache."""
        self.cache.put_many(keys, vectors)
        if self.shared:
            self.shared.put_many(keys, vectors)

    async def _look_up(self, window: Window) -> None:
        """Add the cached vectors of the query and of all passages to the window, if the passages are already known.

        The key of a passage has the digest of its document, the limits of passages, its number, and the prefix that the
        profile puts before each passage.
        """
        if window.numbers is None:
            return
        profile, limits = self._prompts.profile, window.limits
        model = (self._prompts.model, self._settings.profile)
        reading = f"{limits.mode} {limits.max_passage_tokens} {limits.max_search_tokens} {limits.context_tokens}"
        digests = [document.digest for document in window.documents]
        window.set_keys(passage_keys((*model, profile.document, reading), digests, window.numbers))
        window.query_key = common_digest((*model, profile.query, window.query))
        keys = [window.query_key, *window.places]
        window.vectors = self.cache.get_many(keys)
        if self.shared and len(window.vectors) < len(keys):
            window.vectors |= await self.shared.get_many([key for key in keys if key not in window.vectors])
        window.cached = frozenset(window.vectors)
        window.count = len(window.rows)

    def _readable(self, window: Window, queued: int) -> int:
        """Return the number of documents to score: those whose vectors are known or can be computed in time."""
        request, inflight = window.request, self.inflight
        joining = {key for key in window.places if key in inflight}
        tokens = self.reader.new_tokens(window, window.cached | joining)
        if not any(tokens):
            return len(tokens)
        seconds = max(request.deadline - time.monotonic(), MIN_SECONDS)
        # If partial scores are allowed, the missing vectors may be computed after the deadline, for later searches.
        seconds_in_all = seconds + (self._keep_seconds if request.rule.partial and not request.whole else 0.0)
        estimate = self._pool.queue_estimate(request.deadline + self._soon_seconds)
        capacity = estimate.capacity(seconds_in_all) if joining or estimate.wait < seconds else 0.0
        if request.whole:
            return all_or_none(tokens, capacity)
        queue = queued / max(self._settings.reranker_queue_size, 1) if queued > 0 else 0.0
        return documents_under_load(tokens, queue, capacity)

    def _add_scores(self, window: Window) -> Failed | None:
        """Add the scores of all passages with known vectors to the window.

        Returns:
            A failure if vectors have different lengths, otherwise None.

        """
        vectors = window.vectors
        query = vectors.get(window.query_key)
        if query is None:
            return None
        read = dict.fromkeys(key for row in window.rows[: window.count] for key in row)
        keys = [key for key in read if key in vectors]
        try:
            window.scores = dict(
                zip(keys, cosines(query, [vectors[key] for key in keys], self._precision), strict=True)
            )
        except VectorLengthError:
            self.cache.clear()
            if self.shared:
                self.shared.stop("it has vectors of another length: set another shared_cache_prefix")
            return Failed(Why.BAD_ANSWER, "vectors of different lengths: do all servers have the same model?")
        return None

    async def _get_vectors(self, texts: Mapping[bytes, Passage], window: Window) -> Failed | None:
        """Request the vectors not in flight, and wait for all until the deadline. Return the failure, or None."""
        if self.given_up:
            return Failed(Why.DEADLINE)
        own = {key: texts[key] for key in self.inflight.not_started(texts)}
        self._request(own, window)
        deadline = window.request.deadline
        with self.inflight.awaited(texts, deadline) as wanted:
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    retryable = await collected(wanted, own, window.vectors)
            except TimeoutError:
                return Failed(Why.DEADLINE)
        if isinstance(retryable, Failed):
            return retryable
        return await self._get_vectors({key: texts[key] for key in retryable}, window) if retryable else None

    def _request(self, texts: Mapping[bytes, Passage], window: Window) -> None:
        """Request the vectors of passages in batches, and the vector of the query in a request of its own.

        Every score depends on the vector of the query, so it must not wait for a batch.
        """
        deadline, rule = window.request.deadline, window.request.rule
        patience = rule.deadline * PATIENCE_SHARE
        if query := texts.get(window.query_key):
            call = RerankCall("", [query.text], self._prompts.model)
            self.inflight.start([window.query_key], partial(self._pool.ask, call, 0, deadline, patience))
        keys = [key for key in texts if key != window.query_key]
        tokens = [texts[key].tokens for key in keys]
        seconds, ahead = max(rule.deadline, _BATCH_SECONDS), 0
        in_time = max(self._pool.max_tokens, (self._pool.idle_rate() or 0.0) * (deadline - time.monotonic()))
        for part in batches(tokens, self._pool.max_batch, self._pool.max_tokens // _BATCHES):
            ahead += sum(tokens[part])
            until = deadline + (self._soon_seconds if ahead <= in_time else self._keep_seconds)
            call = RerankCall("", [texts[key].text for key in keys[part]], self._prompts.model)
            ask = partial(self._pool.ask, call, sum(tokens[part]), until, patience, seconds)
            self.inflight.start(keys[part], ask)


def _entry_bytes(vector: bytes) -> int:
    """Return the approximate memory of a cached vector, in bytes."""
    return len(vector) + _ENTRY_BYTES
