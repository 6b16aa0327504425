"""One rerank server: what it has to do, how fast it is, and whether it can be trusted."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from es_rerank.config.settings import Settings
from es_rerank.model import Failed, Scored, ScoreRequest, Why
from es_rerank.rerank.backends import Question
from es_rerank.rerank.prompt import PromptBuilder
from es_rerank.rerank_client.asker import Asker
from es_rerank.rerank_client.circuit_breaker import CircuitBreaker
from es_rerank.rerank_client.self_test import UNTESTED, SelfTest
from es_rerank.rerank_client.state_log import StateLog
from es_rerank.rerank_client.throughput import Throughput
from es_rerank.rerank_client.transport import Transport

# So long all requests together have waited since the last answer when a server is taken for silent.
_SILENCE_SECONDS = 1.0


class Server:
    """State: its work under way, its last fault, its breaker, its self-test, and how many texts it takes at a time."""

    def __init__(self, settings: Settings, url: str, reader: PromptBuilder, returned: Callable[[Server], None]) -> None:
        """Make ready to ask the server at *url*; *returned* is called when it answers after it was gone."""
        self.url = url
        self.pace = Throughput()
        self.fault: Failed | None = None
        self.breaker = CircuitBreaker()
        self.trial = SelfTest(
            reader.profile, self._tried, wanted=settings.self_test and not reader.backend.local, server=url
        )
        self._reader = reader
        self._returned = returned
        self._report = StateLog(url)
        self._gone = False
        self._answered, self._unanswered = -math.inf, 0.0
        self._calls, self._tokens = settings.reranker_max_requests, settings.reranker_max_tokens
        self._wire = Transport(settings, url, reader.backend)
        self._asker = Asker(self._wire, reader.backend.max_batch)

    @property
    def most(self) -> int:
        """How many texts it takes at a time."""
        return self._asker.most

    @property
    def sound(self) -> bool:
        """Whether it is trusted, and its last answer was one."""
        return self.trial.passed and self.fault is None

    @property
    def complaint(self) -> str:
        """What is wrong with it; empty if nothing is known to be."""
        if self.trial.failure:
            return f"{Why.SELF_TEST}: {self.trial.failure}"
        return f"{self.fault.why}: {self.fault.detail}" if self.fault else ""

    async def close(self) -> None:
        """Close all connections."""
        await self._wire.close()

    def usable(self, now: float) -> bool:
        """Tell whether searches may be sent there at all."""
        return self.trial.passed and self.breaker.permits(now)

    def fits(self, tokens: int) -> bool:
        """Tell whether it may have so much more to do now; what is too much for any server goes alone."""
        return not self.pace.calls or (self.pace.calls < self._calls and self.pace.tokens + tokens <= self._tokens)

    def take(self, now: float, tokens: int) -> None:
        """Reserve a place for a request."""
        self.breaker.passed()
        self.pace.began(now, tokens)

    def spare(self, tokens: int) -> None:
        """Give back a place that was not used."""
        self.breaker.spared()
        self.pace.dropped(tokens)

    async def ask(self, question: Question, deadline: float, patience: float = 0.0) -> list[float] | Failed:
        """Ask for raw scores in the order of the texts by *deadline* (monotonic seconds); a fault is noted.

        To give no answer within fewer seconds than *patience* is no fault.
        """
        answer = await self._asked(question, deadline, patience)
        if isinstance(answer, Failed) or self.trial.passed:
            return answer
        # It was gone meanwhile, and may have come back with another model.
        return Failed(Why.SELF_TEST, UNTESTED)

    async def _asked(self, question: Question, deadline: float, patience: float = 0.0) -> list[float] | Failed:
        """Ask, whether it is trusted or not."""
        began = time.monotonic()
        try:
            answer = await self._asker.ask(question, deadline)
        except asyncio.CancelledError:
            # Nobody wants to know any more: that says nothing of the server.
            self.breaker.spared()
            raise
        late = isinstance(answer, Failed) and answer.why is Why.DEADLINE
        if late and (deadline - began < patience or not self._is_silent(began)):
            self.breaker.spared()
        else:
            self._note(answer)
        return answer

    def _is_silent(self, began: float) -> bool:
        """Tell whether a request without an answer in time, sent at *began*, is the server's fault.

        It is not where others were answered meanwhile: then there was too much to do.
        """
        if self._answered > began:
            return False
        self._unanswered += time.monotonic() - began
        return self._unanswered >= _SILENCE_SECONDS

    async def _tried(self, ask: ScoreRequest) -> Scored | Failed:
        """Score a known pair on the real path; nothing of it is remembered."""
        query, cut = self._reader.cut(ask)
        question = self._reader.question(query, [text for row in cut for text in row], ask.rule)
        answer = await self._asked(question, ask.deadline)
        if isinstance(answer, Failed):
            return answer
        return Scored([self._reader.probability(score) for score in answer], 0, self._reader.model)

    def _note(self, answer: list[float] | Failed) -> None:
        """Tell the breaker and the log.

        Texts that are too long are the fault of one search, not of the server that refused them.
        """
        before = self.fault
        self.fault = answer if isinstance(answer, Failed) and answer.why is not Why.TOO_LONG else None
        if self.fault:
            self.breaker.failed(time.monotonic())
            self._report.failed(self.fault)
            self._gone = self._gone or self.fault.why is Why.UNREACHABLE
            return
        self._answered, self._unanswered = time.monotonic(), 0.0
        self.breaker.succeeded()
        self._report.answered()
        if before is not None:
            self.pace.forget()
        if self._gone:
            self._gone = False
            self._returned(self)
