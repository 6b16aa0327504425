"""Logs when a rerank server starts to fail and when it recovers. Limits the log rate if both happen repeatedly."""

from __future__ import annotations

import math
import time

import structlog

from es_rerank.model import Failed, Why
from es_rerank.reasons import REASONS

log = structlog.get_logger()

# Failures with the same reason are logged at most once in this interval.
_QUIET_SECONDS = 10.0


class StateLog:
    """Logs the failures and the recoveries of one server."""

    def __init__(self, server: str) -> None:
        """Start without a failure. *server* is the server's URL."""
        self._server = server
        self._why: Why | None = None
        self._logged_at: dict[Why, float] = {}
        self._fault_logged = False

    def failed(self, fault: Failed) -> None:
        """Log a failure, unless its reason is unchanged or was logged recently."""
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
            do=REASONS[fault.why].do,
        )

    def answered(self) -> None:
        """Log the recovery, if the failure was logged."""
        self._why = None
        if self._fault_logged:
            self._fault_logged = False
            log.info("reranker answers again", server=self._server)
