"""Logs each change of a rerank server between working and failing, but not every change of one that alternates."""

from __future__ import annotations

import math
import time

import structlog

from es_rerank.model import Failed, Why

log = structlog.get_logger()

# The same fault is logged at most once in this time.
_QUIET_SECONDS = 10.0


class StateLog:
    """State: the current fault, when each fault was last logged, and whether its end is worth a line."""

    def __init__(self, server: str) -> None:
        """Start with a *server* (its URL) that works."""
        self._server = server
        self._why: Why | None = None
        self._logged_at: dict[Why, float] = {}
        self._fault_logged = False

    def failed(self, fault: Failed) -> None:
        """Log a fault, unless it is the current one or was logged a short time ago."""
        current, self._why = self._why, fault.why
        now = time.monotonic()
        if fault.why is current or now - self._logged_at.get(fault.why, -math.inf) < _QUIET_SECONDS:
            return
        self._logged_at[fault.why], self._fault_logged = now, True
        log.error(
            "reranker failed, searches keep the engine's order",
            server=self._server,
            why=fault.why,
            detail=fault.detail,
        )

    def answered(self) -> None:
        """Log the end of a fault that was logged."""
        self._why = None
        if self._fault_logged:
            self._fault_logged = False
            log.info("reranker answers again", server=self._server)
