"""Logs an event for each request with searches, at the level of the setting `search_log_level`, and slow searches."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

import structlog
from aiohttp import web

from es_rerank.config.settings import Settings
from es_rerank.model import Outcome
from es_rerank.server.responses import RerankHeaders
from es_rerank.server.timings import Durations

log = structlog.get_logger()

_MAX_ID_CHARACTERS = 128
# The trace id in a header of the W3C Trace Context.
_TRACE_ID = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class SearchLog:
    """Logs requests with searches. A request that takes at least `slow_search` is logged as a warning."""

    def __init__(self, settings: Settings) -> None:
        """Read the log level and the threshold for slow searches from the settings."""
        self._level = logging.getLevelNamesMapping()[settings.search_log_level.upper()]
        self._slow_seconds = settings.slow_search

    def record(
        self, request: web.BaseRequest, outcomes: Sequence[Outcome], headers: RerankHeaders, durations: Durations
    ) -> None:
        """Log one request, if its level is enabled or if it was slow. The event has no query or document text."""
        is_slow = self._slow_seconds is not None and durations.total >= self._slow_seconds
        level = logging.WARNING if is_slow else self._level
        if log.is_enabled_for(level):
            event = "slow search" if is_slow else "search handled"
            log.log(level, event, path=request.path, **_fields(request, outcomes, headers), **_times(durations))


def _fields(request: web.BaseRequest, outcomes: Sequence[Outcome], headers: RerankHeaders) -> dict[str, Any]:
    """Return the fields of the log event that identify a request and its outcomes, except fields without a value."""
    trace = _TRACE_ID.fullmatch(request.headers.get("traceparent", ""))
    fields = {
        "endpoint": headers.endpoint,
        "rule": ",".join(dict.fromkeys(outcome.rule for outcome in outcomes if outcome.rule)),
        "outcome": headers.outcome,
        "request_id": request.headers.get("X-Opaque-Id", "")[:_MAX_ID_CHARACTERS],
        "trace_id": trace[1] if trace else "",
    }
    return {name: value for name, value in fields.items() if value}


def _times(durations: Durations) -> dict[str, float]:
    """Return the durations as fields of the log event, in milliseconds."""
    names = ("took_ms", "engine_ms", "rerank_ms", "own_ms")
    return {name: round(seconds * 1e3, 1) for name, seconds in zip(names, durations, strict=True)}
