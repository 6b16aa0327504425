"""Measures in the background, after the response, how much reranking would have changed the order of a search."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from es_rerank.errors import UpstreamError
from es_rerank.model import CallOptions
from es_rerank.search.order_change import Change
from es_rerank.server.metrics import Metrics

log = structlog.get_logger()

Measurement = Callable[[CallOptions], Awaitable[Change | None]]
"""Measures how much reranking would have changed the order of one search; None if it would not be reranked."""


class ShadowRunner:
    """Runs measurements in the background. State: the measurements in flight.

    Measurements beyond the limit are dropped.
    """

    def __init__(self, metrics: Metrics, limit: int) -> None:
        """Record results in *metrics*; run at most *limit* measurements concurrently."""
        self._metrics = metrics
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        """Show how many measurements are in flight."""
        return f"<ShadowRunner {len(self._tasks)} of {self._limit} in flight>"

    def start(self, measurements: Iterable[Measurement], options: CallOptions) -> None:
        """Start measurements up to the limit, and count the measurements that are dropped."""
        for measurement in measurements:
            if len(self._tasks) >= self._limit:
                self._metrics.not_measured()
                continue
            task = asyncio.create_task(self._recorded(measurement, options))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel the measurements in flight."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _recorded(self, measurement: Measurement, options: CallOptions) -> None:
        """Run one measurement and record its result. A failure is only logged."""
        try:
            change = await measurement(options)
        except UpstreamError as error:
            log.debug("shadow measurement failed", reason=str(error))
            return
        except Exception:
            log.exception("shadow measurement failed")
            return
        if change:
            self._metrics.measured(change)
