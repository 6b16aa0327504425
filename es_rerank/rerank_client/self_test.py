"""The self-test of a rerank server: scores the known pairs until the server ranks them correctly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from es_rerank.model import Failed, Rule, Scored, ScoreRequest, Why
from es_rerank.reasons import REASONS
from es_rerank.rerank.known_pairs import pairs_for, verdict
from es_rerank.rerank.profiles import Profile
from es_rerank.rerank_client.server_health import HealthState, ServerHealth

log = structlog.get_logger()

_TIMEOUT_SECONDS = 60.0
# Pauses before the next self-test: of a server that did not answer, and of a server that ranked the pairs wrongly.
_PAUSE_SECONDS = 1.0
_UNFIT_PAUSE_SECONDS = 3.0

Score = Callable[[ScoreRequest], Awaitable[Scored | Failed]]
"""Scores the two texts of a known pair. A failure is returned, not raised."""


class SelfTest:
    """The self-test of one server, which records its result in the server's health."""

    def __init__(self, profile: Profile, score: Score, health: ServerHealth, server: str) -> None:
        """Prepare a self-test.

        Args:
            profile: The profile, which determines the languages of the known pairs.
            score: Scores a known pair with the same code as a search.
            health: The server's health, which the result is recorded in.
            server: The server's URL, for log events.

        """
        self._server = server
        self._profile = profile
        self._score = score
        self._health = health

    async def run(self) -> None:
        """Repeat the self-test until it passes, even while the server cannot be reached."""
        while not self._health.trusted:
            margins = await self._margins()
            if margins is not None:
                self._judge(margins)
            if not self._health.trusted:
                unfit = self._health.state is HealthState.UNFIT
                await asyncio.sleep(_UNFIT_PAUSE_SECONDS if unfit else _PAUSE_SECONDS)

    def _judge(self, margins: Sequence[float]) -> None:
        """Record the result of a self-test, and log it if it has changed."""
        mismatch = verdict(margins)
        if mismatch is None:
            smallest = round(min(margins), 3)
            log.info("self-test passed", server=self._server, pairs=len(margins), smallest_margin=smallest)
            self._health.self_test_passed()
            return
        if mismatch != self._health.mismatch:
            log.error(
                "self-test failed, searches keep the engine's order",
                server=self._server,
                reason=mismatch,
                do=REASONS[Why.SELF_TEST].do,
            )
        self._health.self_test_failed(mismatch)

    async def _margins(self) -> list[float] | None:
        """Return P(answer) - P(distractor) of each known pair, or None if the server failed."""
        margins = []
        for pair in pairs_for(self._profile):
            texts, deadline = (pair.answer, pair.distractor), time.monotonic() + _TIMEOUT_SECONDS
            scored = await self._score(ScoreRequest(pair.query, texts, Rule("self-test"), deadline))
            if isinstance(scored, Failed):
                return None
            answer, distractor = scored.probabilities
            margins.append((answer or 0.0) - (distractor or 0.0))
        return margins
