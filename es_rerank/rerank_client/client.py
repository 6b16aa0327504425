"""The reranker as the pipeline sees it: documents in, probabilities out, and every fault a value."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, takewhile

from es_rerank.config.settings import Settings
from es_rerank.model import Failed, Rule, Scored, ScoreRequest, Why
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.batching import batches, cost
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder, much
from es_rerank.rerank_client.inflight import InFlight
from es_rerank.rerank_client.load_shedding import whole, window
from es_rerank.rerank_client.pool import Pool
from es_rerank.rerank_client.score_cache import ScoreCache, pair_key
from es_rerank.rerank_client.server import RerankServer
from es_rerank.rerank_client.server_health import HealthState
from es_rerank.rerank_client.tokenizer import load_tokens

# A window of which a part is welcome is asked for in so many passages at a time, so that there are parts.
_STEP = 10
# What leaves a part of a window unscored without being a fault of the server.
_LATE = frozenset({Why.DEADLINE, Why.OVERLOADED})
# A part of fewer documents has no order.
_LEAST = 2
# A server is not blamed for what it has not answered in less than this share of the deadline.
_PATIENCE = 0.25
# Each request ends by itself in time; only a search that waits for another one's must be ended.
_BACKSTOP_SECONDS = 0.01
_LEAST_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Health:
    """Whether searches are being reranked: `ok`, `untested` (not asked yet) or `degraded` with its reason.

    `out` counts the servers that are not asked, `searches` those that are at the servers or wait for them.
    """

    state: str
    why: str = ""
    out: int = field(default=0, compare=False)
    searches: int = field(default=0, compare=False)


@dataclass(slots=True)
class _Work:
    """One search on its way: the pairs of each document, how many documents are read, and what is known of them."""

    ask: ScoreRequest
    rows: Sequence[Sequence[bytes]] = ()
    count: int = 0
    cached: frozenset[bytes] = frozenset()
    values: dict[bytes, float] = field(default_factory=dict)

    def scored(self) -> int:
        """Count the documents at the head of the window of which all is known."""
        return len(list(takewhile(lambda row: all(key in self.values for key in row), self.rows[: self.count])))


class Reranker:
    """Cuts, remembers, bounds and asks. State: the pair cache, the pairs in flight, the servers.

    `searches` is how many are at the servers or wait for them.
    """

    def __init__(self, settings: Settings) -> None:
        """Make ready to ask the servers that *settings* name; nothing is sent yet."""
        self._settings = settings
        backend, profile = BACKENDS[settings.backend], PROFILES[settings.profile]
        self.model = "identity" if backend.local else settings.model or profile.model
        self._reader = PromptBuilder(backend, profile, self.model, settings.max_search_tokens)
        self._pool = Pool(
            [RerankServer(settings, url, self._reader, self._server_returned) for url in settings.reranker]
        )
        self._cache = ScoreCache(settings.score_cache_size)
        self._flights = InFlight(self._cache.put)
        self._tests: set[asyncio.Task[None]] = set()
        self.searches = 0
        self._given_up = False

    async def start(self) -> None:
        """Load the tokenizer, which may take a download, then test the model; until then the engine's order stands."""
        if not self._reader.backend.local:
            self._reader.tokens = await asyncio.to_thread(load_tokens, self._settings.tokenizer, self.model)
        await asyncio.gather(*(server.self_test.run() for server in self._pool.servers))

    async def close(self) -> None:
        """Stop the work in flight and close all connections."""
        for task in tuple(self._tests):
            task.cancel()
        await asyncio.gather(*self._tests, return_exceptions=True)
        await self._flights.close()
        for server in self._pool.servers:
            await server.close()

    def give_up(self) -> None:
        """Ask no more: who waits for the model has run out of time."""
        self._given_up = True
        self._flights.call_off()

    @property
    def health(self) -> Health:
        """Tell how it stands; it is well as long as one server is."""
        servers = self._pool.servers
        out = [server for server in servers if server.health.state is not HealthState.HEALTHY]
        said = "; ".join(dict.fromkeys(why for server in out if (why := server.health.problem)))
        if len(out) < len(servers):
            state, said = "ok", f"{len(out)} of {len(servers)} servers out: {said}" if said else ""
        else:
            state = "degraded" if said else "untested"
        return Health(state, said, len(out), self.searches)

    async def score(self, ask: ScoreRequest) -> Scored | Failed:
        """Score the documents of a window against a query; None stays None. Never outlasts the deadline.

        The identity of the backend without a server holds for documents without text too.
        """
        backend = self._reader.backend
        if backend.local:
            return Scored(backend.decode(None, len(ask.documents)), 0, self.model)
        if distrust := self._pool.distrust():
            return distrust
        now = time.monotonic()
        if ask.deadline <= now:
            return Failed(Why.DEADLINE)
        if self._queued() >= self._settings.reranker_queue_size and not self._pool.drop_late():
            return Failed(Why.OVERLOADED)
        return await self._bounded(_Work(ask), now)

    def _queued(self) -> int:
        """Count the searches that wait for a server; below zero there are servers that wait for a search."""
        return self.searches - self._settings.reranker_max_requests * len(self._pool.servers)

    async def _bounded(self, work: _Work, now: float) -> Scored | Failed:
        """Keep a search within its deadline."""
        # Read before the search itself counts among those that wait.
        queued = self._queued()
        self.searches += 1
        try:
            async with asyncio.timeout(work.ask.deadline - now + _BACKSTOP_SECONDS):
                fault = await self._worked(work, queued)
        except TimeoutError:
            fault = Failed(Why.DEADLINE)
        finally:
            self.searches -= 1
        return self._result(work, fault)

    async def _worked(self, work: _Work, queued: int) -> Failed | None:
        """Cut the documents, decide how many are read, and find the score of each of their passages."""
        ask = work.ask
        query, cut = await asyncio.to_thread(self._reader.cut, ask) if much(ask) else self._reader.cut(ask)
        work.rows = [[self._key(query, text, ask.rule) for text in pieces] for pieces in cut]
        texts = dict(zip(chain.from_iterable(work.rows), chain.from_iterable(cut), strict=True))
        work.values = {key: score for key in texts if (score := self._cache.get(key)) is not None}
        work.cached = frozenset(work.values)
        costs = [cost(texts[key] for key in row if key not in work.values) for row in work.rows]
        work.count = self._readable(costs, ask, max(ask.deadline - time.monotonic(), _LEAST_SECONDS), queued)
        if not work.count:
            return Failed(Why.OVERLOADED)
        wanted = dict.fromkeys(key for row in work.rows[: work.count] for key in row if key not in work.values)
        return await self._gathered(query, {key: texts[key] for key in wanted}, work)

    def _readable(self, costs: Sequence[int], ask: ScoreRequest, seconds: float, queued: int) -> int:
        """Decide how many documents are read, by the queue and by what can be done in the seconds that are left."""
        outlook = self._pool.outlook()
        room = outlook.room(seconds)
        if ask.whole:
            return whole(costs, room)
        shares = (queued / max(self._settings.reranker_queue_size, 1) if queued > 0 else 0.0, outlook.wait / seconds)
        return window(costs, max(shares), room)

    def _result(self, work: _Work, fault: Failed | None) -> Scored | Failed:
        """Let the best passage of a document count; of a search that is late the scored head, where it is welcome."""
        count = work.count
        if fault:
            if not work.ask.rule.partial or fault.why not in _LATE:
                return fault
            count = work.scored()
        read = [[work.values[key] for key in row] for row in work.rows[:count]]
        best = [self._reader.probability(max(row)) if row else None for row in read]
        if fault and sum(one is not None for one in best) < _LEAST:
            return fault
        cached = sum(bool(row) and work.cached.issuperset(row) for row in work.rows[:count])
        return Scored([*best, *(None for _ in work.rows[count:])], cached, self.model, window=count)

    def _key(self, query: str, text: str, rule: Rule) -> bytes:
        """Name a pair by all that its score depends on."""
        return pair_key(self.model, self._settings.profile, rule.instruction or "", query, text)

    async def _gathered(self, query: str, texts: Mapping[bytes, str], work: _Work) -> Failed | None:
        """Ask for what is not being asked for already, and wait for all of it."""
        if self._given_up:
            return Failed(Why.DEADLINE)
        own = {key: text for key, text in texts.items() if key not in self._flights}
        self._launch(query, own, work.ask)
        again: dict[bytes, str] = {}
        with self._flights.awaited(texts) as flights:
            for flight, keys in flights.items():
                answer = await asyncio.shield(flight.answer)
                if not isinstance(answer, Failed):
                    work.values |= {key: answer[flight.places[key]] for key in keys}
                elif answer.why is Why.DEADLINE and keys[0] not in own:
                    # The search that asked for it had less time than this one, or its client has gone away.
                    again |= {key: texts[key] for key in keys}
                else:
                    return answer
        return await self._gathered(query, again, work) if again else None

    def _launch(self, query: str, texts: Mapping[bytes, str], ask: ScoreRequest) -> None:
        """Ask for one batch after another."""
        keys, rule = list(texts), ask.rule
        most = min(_STEP, self._pool.most) if rule.partial else self._pool.most
        for part in batches(list(texts.values()), most, self._settings.reranker_max_tokens):
            question = self._reader.question(query, [texts[key] for key in keys[part]], rule)
            self._flights.begin(keys[part], partial(self._pool.ask, question, ask.deadline, rule.deadline * _PATIENCE))

    def _server_returned(self, server: RerankServer, retest: bool) -> None:
        """Forget the scores of a server that was unreachable and test it again: it may serve another model now."""
        self._cache.clear()
        if retest:
            task = asyncio.create_task(server.self_test.run())
            self._tests.add(task)
            task.add_done_callback(self._tests.discard)
