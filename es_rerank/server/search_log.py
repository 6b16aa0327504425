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
from es_rerank.server.timings import Timings

log = structlog.get_logger()

_MAX_ID_CHARACTERS = 128
# The trace id in a header of the W3C Trace Context.
_TRACE_ID = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class SearchLog:
    """Logs requests with searches. A request that takes at least the threshold is logged as a warning."""

    def __init__(self, settings: Settings) -> None:
        """Log with the level and the threshold in the settings."""
        self._level = logging.getLevelNamesMapping()[settings.search_log_level.upper()]
        self._slow_seconds = settings.slow_search

    def record(self, request: web.BaseRequest, outcomes: Sequence[Outcome], headers: RerankHeaders) -> None:
        """Log one request, if its level is enabled or if it was slow. The event has no query or document text."""
        timings = headers.timings
        if timings is None:
            return
        is_slow = self._slow_seconds is not None and timings.elapsed_seconds() >= self._slow_seconds
        level = logging.WARNING if is_slow else self._level
        if log.is_enabled_for(level):
            event = "slow search" if is_slow else "search handled"
            log.log(level, event, path=request.path, **_fields(request, outcomes, headers, timings))


def _fields(
    request: web.BaseRequest, outcomes: Sequence[Outcome], headers: RerankHeaders, timings: Timings
) -> dict[str, Any]:
    """Return the fields of the event; those without a value are omitted. Times are in milliseconds."""
    trace = _TRACE_ID.fullmatch(request.headers.get("traceparent", ""))
    fields = {
        "endpoint": headers.endpoint,
        "rule": ",".join(dict.fromkeys(outcome.rule for outcome in outcomes if outcome.rule)),
        "outcome": headers.outcome,
        "request_id": request.headers.get("X-Opaque-Id", "")[:_MAX_ID_CHARACTERS],
        "trace_id": trace[1] if trace else "",
    }
    times = {
        "took_ms": timings.elapsed_seconds(),
        "engine_ms": timings.engine_seconds,
        "rerank_ms": timings.rerank_seconds,
        "own_ms": timings.overhead_seconds(),
    }
    return {name: value for name, value in fields.items() if value} | {
        name: round(seconds * 1e3, 1) for name, seconds in times.items()
    }
