"""The reranker as the pipeline sees it: documents in, probabilities out, and every fault a value."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import structlog

from es_rerank.config import Settings
from es_rerank.model import Ask, Failed, Rule, Scored, Why
from es_rerank.rerank.asker import Asker
from es_rerank.rerank.backends import BACKENDS, Question
from es_rerank.rerank.breaker import Breaker
from es_rerank.rerank.cache import PairCache, pair_key
from es_rerank.rerank.cut import Limits, Tokens, estimate, passages
from es_rerank.rerank.load import first, window
from es_rerank.rerank.profiles import PROFILES, defused, probability
from es_rerank.rerank.tokenizer import load_tokens
from es_rerank.rerank.trial import Trial
from es_rerank.rerank.wire import Wire

log = structlog.get_logger()

_QUERY_SHARE = 4
_MUCH = 200_000


@dataclass(frozen=True, slots=True)
class Health:
    """Whether searches are being reranked: `ok`, `untested` (not asked yet) or `degraded` with its reason."""

    state: str
    why: str = ""


class Reranker:
    """Cuts, remembers, bounds and asks. State: the pair cache, the pairs in flight, the breaker, the self-test."""

    def __init__(self, settings: Settings) -> None:
        """Make ready to ask the server that *settings* name; nothing is sent yet."""
        self._settings = settings
        self._backend = BACKENDS[settings.backend]
        self._profile = PROFILES[settings.profile]
        self.model = "identity" if self._backend.local else settings.model or self._profile.model
        self._tokens: Tokens = estimate
        self._wire = Wire(settings, self._backend)
        self._asker = Asker(self._wire, self._backend.max_batch)
        self._cache = PairCache(settings.cache_pairs)
        self._flying: dict[bytes, asyncio.Future[float | Failed]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._breaker = Breaker()
        self._waiting = 0
        self._fault: Failed | None = None
        self._trial = Trial(self._profile, self._bounded, wanted=settings.self_test and not self._backend.local)

    async def start(self) -> None:
        """Load the tokenizer, which may take a download, then test the model; until then the engine's order stands."""
        if not self._backend.local:
            self._tokens = await asyncio.to_thread(load_tokens, self._settings.tokenizer, self.model)
        await self._trial.run()

    async def close(self) -> None:
        """Stop the work in flight and close all connections."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._wire.close()

    @property
    def health(self) -> Health:
        """Tell how it stands."""
        if self._trial.misfit:
            return Health("degraded", f"{Why.SELF_TEST}: {self._trial.misfit}")
        if self._fault:
            return Health("degraded", f"{self._fault.why}: {self._fault.detail}")
        return Health("ok" if self._trial.passed else "untested")

    async def score(self, ask: Ask) -> Scored | Failed:
        """Score the documents of a window against a query; None stays None. Never outlasts the deadline.

        The identity of the backend without a server holds for documents without text too.
        """
        if self._backend.local:
            return Scored(self._backend.decode(None, len(ask.documents)), 0, self.model)
        if not self._trial.passed:
            return self._untrusted()
        if ask.seconds <= 0:
            return Failed(Why.DEADLINE)
        return await self._bounded(ask)

    def _untrusted(self) -> Failed:
        """Say why a model that has not passed its self-test is not asked: what it would answer might be at random."""
        if self._trial.misfit or not self._fault:
            return Failed(Why.SELF_TEST, self._trial.misfit or "the known pairs have not been scored yet")
        return self._fault

    async def _bounded(self, ask: Ask) -> Scored | Failed:
        """Keep waiting searches within the queue and each within its deadline."""
        queue, queued = self._settings.queue, self._waiting - self._settings.concurrency
        if queued >= queue:
            return Failed(Why.OVERLOADED)
        count = len(ask.documents) if ask.whole else window(len(ask.documents), queued, queue)
        self._waiting += 1
        try:
            async with asyncio.timeout(ask.seconds):
                found = await self._scored(replace(ask, documents=first(ask.documents, count)))
                return found if isinstance(found, Failed) else replace(found, window=count)
        except TimeoutError:
            return Failed(Why.DEADLINE)
        finally:
            self._waiting -= 1

    async def _scored(self, ask: Ask) -> Scored | Failed:
        """Cut the documents, find the score of each passage, and let the best passage count."""
        query, cut = await self._cut(ask)
        keys = [[self._key(query, text, ask.rule) for text in pieces] for pieces in cut]
        texts = dict(zip(chain.from_iterable(keys), chain.from_iterable(cut), strict=True))
        known = {} if ask.fresh else {key: self._cache.get(key) for key in texts}
        found = {key: score for key, score in known.items() if score is not None}
        answered = await self._values(query, {key: texts[key] for key in texts if key not in found}, ask)
        if isinstance(answered, Failed):
            return answered
        values = found | answered
        best = [max((values[key] for key in row), default=None) for row in keys]
        raw = self._backend.raw
        return Scored(
            [None if one is None else probability(self._profile, one, raw) for one in best],
            cached=sum(bool(row) and all(key in found for key in row) for row in keys),
            model=self.model,
        )

    async def _cut(self, ask: Ask) -> tuple[str, list[list[str]]]:
        """Cut query and documents to what the model reads; off the event loop when there is much to tokenize."""
        if sum(len(one or "") for one in ask.documents) < _MUCH:
            return self._cut_now(ask)
        return await asyncio.to_thread(self._cut_now, ask)

    def _cut_now(self, ask: Ask) -> tuple[str, list[list[str]]]:
        """Apply the profile's limits; the query may take a quarter of the model's context.

        Special tokens are broken up before the tokens are counted: each becomes several.
        """
        profile, long = self._profile, ask.rule.long
        most = profile.max_tokens // _QUERY_SHARE
        query = passages([defused(profile, ask.query)], "", Limits("truncate", most, most), self._tokens)[0][0]
        room = profile.max_tokens - profile.overhead - min(most, len(self._tokens(query)))
        limit = min(long.passage_tokens or profile.passage_tokens, room)
        limits = Limits(long.mode or profile.long, limit, long.search_tokens or self._settings.search_tokens)
        documents = [text and defused(profile, text) for text in ask.documents]
        return query, passages(documents, query, limits, self._tokens)

    def _key(self, query: str, text: str, rule: Rule) -> bytes:
        """Name a pair by all that its score depends on."""
        return pair_key(self.model, self._settings.profile, rule.instruction or "", query, text)

    async def _values(self, query: str, texts: Mapping[bytes, str], ask: Ask) -> dict[bytes, float] | Failed:
        """Ask for what is not being asked for already, and wait for all of it."""
        fresh = {key: text for key, text in texts.items() if key not in self._flying}
        blocked = self._launch(query, fresh, ask) if fresh else None
        if blocked:
            return blocked
        flying = {key: self._flying[key] for key in texts}
        values: dict[bytes, float] = {}
        for key, future in flying.items():
            value = await asyncio.shield(future)
            if isinstance(value, Failed):
                return value
            values[key] = value
        return values

    def _launch(self, query: str, texts: Mapping[bytes, str], ask: Ask) -> Failed | None:
        """Start one task a batch, unless the breaker is open."""
        if not self._breaker.allows(time.monotonic()):
            return self._fault or Failed(Why.BREAKER)
        keys = list(texts)
        for key in keys:
            self._flying[key] = asyncio.get_running_loop().create_future()
        most = self._asker.most
        for at in range(0, len(keys), most):
            part = keys[at : at + most]
            self._spawn(self._batch(self._question(query, [texts[key] for key in part], ask), part, ask.seconds))
        return None

    def _question(self, query: str, texts: Sequence[str], ask: Ask) -> Question:
        """Put the profile's prefixes and instruction to a batch of texts."""
        profile = self._profile
        instruction = (ask.rule.instruction or profile.instruction) if profile.instruction else None
        return Question(profile.query + query, [profile.document + text for text in texts], self.model, instruction)

    async def _batch(self, question: Question, keys: Sequence[bytes], seconds: float) -> None:
        """Ask for one batch and hand its scores to all who wait for them."""
        answer: list[float] | Failed = Failed(Why.DEADLINE)
        try:
            answer = await self._asker.ask(question, seconds)
        finally:
            self._note(answer)
            self._hand_out(answer, keys)

    def _hand_out(self, answer: list[float] | Failed, keys: Sequence[bytes]) -> None:
        """Remember the scores and wake all who wait for them; a fault is a fault for each of them."""
        for at, key in enumerate(keys):
            if isinstance(answer, Failed):
                self._flying.pop(key).set_result(answer)
            else:
                self._cache.put(key, answer[at])
                self._flying.pop(key).set_result(answer[at])

    def _note(self, answer: list[float] | Failed) -> None:
        """Tell the breaker, and log when the state changes: once a change, not once a request.

        Texts that are too long are the fault of one search, not of the server that refused them.
        """
        before = self._fault
        self._fault = answer if isinstance(answer, Failed) and answer.why is not Why.TOO_LONG else None
        if self._fault:
            self._breaker.failed(time.monotonic())
            if before is None or before.why is not self._fault.why:
                fault = self._fault
                log.error("reranker failed, searches keep the engine's order", why=fault.why, detail=fault.detail)
            return
        self._breaker.succeeded()
        if before is not None:
            log.info("reranker answers again")
        if before is not None and before.why is Why.UNREACHABLE:
            self._retest()

    def _retest(self) -> None:
        """Trust a server that was gone only after a new self-test: it may have come back with another model."""
        self._cache = PairCache(self._settings.cache_pairs)
        if self._trial.again():
            self._spawn(self._trial.run())

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        """Start a task and keep it from being collected while it runs."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
