"""Tries the known pairs on the real path, until they pass."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from es_rerank.model import Failed, Rule, Scored, ScoreRequest
from es_rerank.rerank.known_pairs import pairs_for, verdict
from es_rerank.rerank.profiles import Profile

log = structlog.get_logger()

# Said of a server whose known pairs have had no answer.
UNTESTED = "the known pairs have not been scored yet"

_SECONDS = 60.0
_PAUSE = 1.0
_MISFIT_PAUSE = 30.0

Score = Callable[[ScoreRequest], Awaitable[Scored | Failed]]


class SelfTest:
    """The self-test of one model. State: whether it passed, and what is wrong with a model that did not.

    A trial that is not wanted has passed from the start.
    """

    def __init__(self, profile: Profile, score: Score, *, wanted: bool, server: str) -> None:
        """Make ready to try *profile* with *score*; *server* is its name in the log."""
        self._server = server
        self._profile = profile
        self._score = score
        self._wanted = wanted
        self.passed = not wanted
        self.failure: str | None = None

    async def run(self) -> None:
        """Try until the pairs pass; a server that is not up yet is waited for."""
        while not self.passed:
            margins = await self._margins()
            if margins is not None:
                self._judge(margins)
            if not self.passed:
                await asyncio.sleep(_MISFIT_PAUSE if self.failure else _PAUSE)

    def again(self) -> bool:
        """Ask for another trial; False if none is wanted or one is under way."""
        begun = self._wanted and self.passed
        self.passed = self.passed and not self._wanted
        return begun

    def _judge(self, margins: Sequence[float]) -> None:
        """Take the verdict on the known pairs, and log it when it is a new one."""
        failure = verdict(margins)
        if failure and failure != self.failure:
            log.error("self-test failed, searches keep the engine's order", server=self._server, reason=failure)
        elif not failure:
            least = round(min(margins), 3)
            log.info("self-test passed", server=self._server, pairs=len(margins), least_margin=least)
        self.failure, self.passed = failure, failure is None

    async def _margins(self) -> list[float] | None:
        """Score the known pairs; None while there is no answer."""
        margins = []
        for pair in pairs_for(self._profile):
            texts = (pair.answer, pair.distractor)
            found = await self._score(ScoreRequest(pair.query, texts, Rule("self-test"), time.monotonic() + _SECONDS))
            if isinstance(found, Failed):
                return None
            answer, distractor = found.probabilities
            margins.append((answer or 0.0) - (distractor or 0.0))
        return margins
