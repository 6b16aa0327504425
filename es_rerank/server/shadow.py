"""Measures in the background, after the response, how much reranking would have changed a search."""

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
"""Measures, after the response, how much reranking would have changed the order of a search."""


class ShadowRunner:
    """Bounded background work. State: the measurements in flight; more than the limit are not started."""

    def __init__(self, metrics: Metrics, limit: int) -> None:
        """Record results in *metrics*; at most *limit* measurements run concurrently."""
        self._metrics = metrics
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        """Show how many measurements are in flight."""
        return f"<ShadowRunner {len(self._tasks)} of {self._limit} in flight>"

    def start(self, measurements: Iterable[Measurement], options: CallOptions) -> None:
        """Start the measurements that the limit allows, with a deadline of their own."""
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
        """Record one measurement; its failure affects no response."""
        try:
            change = await measurement(options)
        except UpstreamError as error:
            log.debug("shadow not measured", reason=str(error))
            return
        except Exception:
            log.exception("shadow not measured")
            return
        if change:
            self._metrics.measured(change)
