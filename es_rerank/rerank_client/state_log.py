"""What is logged of one rerank server: each change of its state, but not each swing of one that goes to and fro."""

from __future__ import annotations

import math
import time

import structlog

from es_rerank.model import Failed, Why

log = structlog.get_logger()

# The same fault is told of once in so many seconds at most.
_QUIET_SECONDS = 10.0


class StateLog:
    """State: how the server stands, and what was told of it when."""

    def __init__(self, server: str) -> None:
        """Begin with a *server* that is well; it is a URL."""
        self._server = server
        self._why: Why | None = None
        self._told: dict[Why, float] = {}
        self._heard = False

    def failed(self, fault: Failed) -> None:
        """Note a fault."""
        known, self._why = self._why, fault.why
        now = time.monotonic()
        if fault.why is known or now - self._told.get(fault.why, -math.inf) < _QUIET_SECONDS:
            return
        self._told[fault.why], self._heard = now, True
        log.error(
            "reranker failed, searches keep the engine's order",
            server=self._server,
            why=fault.why,
            detail=fault.detail,
        )

    def answered(self) -> None:
        """Note an answer; that of a fault that nobody was told of is no news."""
        self._why = None
        if self._heard:
            self._heard = False
            log.info("reranker answers again", server=self._server)
